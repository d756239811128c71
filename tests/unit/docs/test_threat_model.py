"""Every finding of the threat model is decided by somebody, until a date."""

import re
from datetime import date, timedelta
from pathlib import Path

TEXT = (Path(__file__).parents[3] / "docs" / "security" / "threat-model.md").read_text("utf-8")
PROSE, _, TABLE = TEXT.partition("| | finding | state | by | again |\n")
ROWS = {
    name: rest
    for line in TABLE.splitlines()
    for name, *rest in [[cell.strip() for cell in line.strip("|").split(" | ")]]
    if re.fullmatch(r"[AF]\d+", name)
}


def test_each_finding_that_the_text_names_is_in_the_table_and_the_other_way_round():
    assert len(ROWS) > 10
    assert set(re.findall(r"\b[AF]\d+\b", PROSE)) == set(ROWS)


def test_each_has_a_state_with_its_reason_a_name_and_a_date_within_a_year():
    for name, (finding, state, by, again) in ROWS.items():
        assert finding, name
        assert re.match(r"(accepted|open): .+", state), name
        assert by, name
        assert date.fromisoformat(again) <= date.today() + timedelta(days=366), name
