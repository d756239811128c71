"""The comment on a pull request, from the real engine's output for the real program: `previews/` is
`pulumi preview --json` of stack dev on the simulated API, without the parts that nobody reads."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from ops.ci import preview, summary
from ops.ci.preview import Change, Preview

CENTS = {"cpu_4x_general": 20, "gpu_1x_a10": 75, "gpu_1x_a100_sxm4": 129}


def recorded(name: str) -> Preview:
    return preview.parsed((Path(__file__).parent / "previews" / f"{name}.json").read_text())


def comment(name: str) -> str:
    return summary.markdown(recorded(name), "dev", CENTS)


def test_a_new_platform_costs_from_nothing():
    text = comment("first")
    assert "**Price an hour:** $0.00 → $1.35 (+$1.35)" in text
    assert "expected cost: $1.35 an hour, $985.50 a month" in text
    assert "ended" not in text
    assert "lost" not in text


def test_what_is_replaced_stands_before_the_price():
    text = comment("replaced")
    assert text.splitlines()[2] == "**Machines are terminated** (1):"
    told = (
        "- `worker-1-instance` (lambdalabs:index:Instance) is replaced:"
        " gpu_1x_a10 → gpu_1x_a100_sxm4 (status)"
    )
    assert told in text
    assert text.index("replaced") < text.index("**Price an hour:** $1.35 → $3.18 (+$1.83)")
    assert "will be replaced: its type gpu_1x_a10 is not listed any more" in text
    assert "<summary>4 created, 1 replaced, 1 updated</summary>" in text


def test_a_machine_that_goes_is_told_with_what_it_saves():
    text = comment("removed")
    assert "- `worker-1-instance` (lambdalabs:index:Instance) is deleted: gpu_1x_a10 → none" in text
    assert "**Price an hour:** $1.35 → $0.60 (-$0.75)" in text


def test_a_refusal_is_the_first_thing_and_there_is_no_price():
    text = comment("lost")
    assert text.splitlines()[2].startswith("**Refused.**")
    assert "holds the volume database-00a6c3e1 and would be replaced" in text
    assert "Price an hour" not in text


def test_an_error_of_the_configuration_is_told_as_the_program_says_it():
    text = comment("wrong")
    assert "sophia:nodeGroups[0].instanceTypes[0]: got 'nonsense', expected one of" in text


def test_data_that_may_be_lost_is_above_everything():
    seen = recorded("replaced")
    home = Change("replace", "swarm:index:VolumeHome", "database-home", ("node",))
    machines = [
        dataclasses.replace(one, volumes=("database-1",)) if one.old else one
        for one in seen.changes
    ]
    text = summary.markdown(
        dataclasses.replace(seen, changes=(*machines, home), errors=()), "dev", CENTS
    )
    assert text.splitlines()[2] == "**Data may be lost** (2):"
    assert "it holds `database-1`" in text
    assert "`database-home` (swarm:index:VolumeHome) is replaced (node)" in text
    assert "Machines are terminated" not in text


def test_nothing_to_do_is_said():
    text = summary.markdown(Preview((), (("gpu_1x_a10", "gpu_1x_a10"),)), "prod", CENTS)
    assert "**Price an hour:** $0.75 → $0.75 (+$0.00)" in text
    assert text.endswith("Nothing changes.")


def test_a_type_without_a_price_is_named():
    text = summary.markdown(Preview((), (("", "gpu_9x"),)), "prod", CENTS)
    assert "Not counted, as the API reports no price: gpu_9x" in text


def test_a_replacement_is_one_change():
    urn = "urn:pulumi:p::s::a:b:C$lambdalabs:index:Instance::m"
    steps = [{"op": op, "urn": urn} for op in ("create-replacement", "replace", "delete-replaced")]
    seen = preview.parsed(json.dumps({"steps": steps}))
    assert [one.op for one in seen.changes] == ["replace"]
    assert len(seen.machines) == 1


def test_nothing_in_it_ends_the_markup_or_calls_people():
    odd = Change("update", "a:b:C", "x`<img>@everyone", ("```",))
    text = summary.markdown(Preview((odd,), (), errors=("```\n# no",)), "dev", CENTS)
    assert "<img>" not in text
    assert "@everyone" not in text
    assert text.count("```") == 2


def test_a_comment_is_not_longer_than_github_takes():
    many = tuple(Change("create", "a:b:C", f"resource-{number}") for number in range(3000))
    text = summary.markdown(Preview(many, ()), "dev", CENTS)
    assert len(text) < 65_536
    assert text.endswith("cut here; the log has all of it")


@pytest.mark.parametrize("text", ["", "error: no stack named 'nope' found"])
def test_what_is_no_preview_is_an_error(text):
    with pytest.raises(ValueError, match=r"^Expecting value"):
        preview.parsed(text)
