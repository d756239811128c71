"""The dashboards' files: what they ask for exists, and they can be filled in."""

import re

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from pydantic import ValidationError
from sophia_backend.dashboards import (
    FOLDER,
    RANGES,
    UNITS,
    all_metrics,
    filled,
    metrics_of,
    named,
    read_dashboard,
    read_dashboards,
)
from sophia_backend.fleet import Fleet
from sophia_backend.probes import Probes
from sophia_backend.statuses import Statuses
from sophia_mcp.metrics import Metrics

from tests.integration.monitoring import recorded
from tests.support.checkout import ROOT

DASHBOARDS = read_dashboards()
PANELS = [(name, panel) for name, one in DASHBOARDS.items() for panel in one.panels]
PLANNED = ROOT / "templates" / "monitoring" / "expected.yml.j2"
RULES = ROOT / "images" / "monitoring" / "rules" / "dashboards.yml"
RECORDED = yaml.safe_load(RULES.read_text())["groups"][0]["rules"]
OTHERS = ("haproxy_", "node_", "process_", "pg_", "DCGM_FI_", "engine_daemon_",
          "sophia_container_", "sophia_job_")  # fmt: skip
"""Of programs of others, and of nodes: test_prometheus asks real ones for the first three."""


def own() -> set[str]:
    """Names of all that servers and the backend export, and of what the plan says."""
    metrics = Metrics("x")
    fleet = Fleet([])
    metrics.registry.register(Statuses(fleet))
    Probes(fleet, {}, metrics.registry)
    families = [*text_string_to_metric_families(metrics.text().decode())]
    names = {f"{one.name}{end}" for one in families for end in ENDS.get(one.type, [""])}
    planned = re.findall(r"record: (\w+)", PLANNED.read_text())
    return names | {*planned} | records(RECORDED) | {"up"}


def records(rules: list[dict[str, str]]) -> set[str]:
    return {rule["record"] for rule in rules}


ENDS = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}


def test_there_are_four_and_no_file_without_a_use():
    assert [*DASHBOARDS] == ["fleet", "server", "nodes", "database"]
    assert {file.stem for file in FOLDER.iterdir()} == {*DASHBOARDS}


def test_whatever_is_asked_for_is_exported():
    asked = all_metrics(DASHBOARDS.values())
    assert len(asked) > 50
    assert {name for name in asked if not name.startswith(OTHERS)} - own() == set()
    assert asked - recorded.metrics() == set()


def test_whatever_is_recorded_is_asked_for():
    assert records(RECORDED) <= all_metrics(DASHBOARDS.values())
    source = {name for rule in RECORDED for name in metrics_of(rule["expr"])}
    assert {name for name in source if not name.startswith(OTHERS)} <= own()


def test_what_many_series_have_is_not_asked_for_over_days():
    """A range of days decodes every sample of what is in `rate()`: that has to be few series."""
    many = {"mcp_tool_calls_total", "mcp_tool_call_duration_seconds_bucket"}
    many |= {"node_cpu_seconds_total"}
    asked = [(panel.title, panel.metrics & many) for _, panel in PANELS if panel.kind == "lines"]
    assert [one for one in asked if one[1]] == []


def test_a_renamed_metric_is_noticed():
    panel = 'title = "x"\nabout = "x"\n[[panels]]\ntitle = "x"\nunit = "count"\n'
    changed = read_dashboard(f"{panel}queries = {{ x = 'sum(mcp_tool_call_total)' }}")
    assert all_metrics([changed]) - own() == {"mcp_tool_call_total"}


@pytest.mark.parametrize(("name", "panel"), PANELS, ids=lambda it: getattr(it, "title", it))
def test_a_panel_is_filled_in_with_its_own_parameter_only(name, panel):
    values = {"server": "slack", "node": ".+", "window": "60s", "range": "900s"}
    parameter = DASHBOARDS[name].parameter
    for query in panel.queries.values():
        assert "$" not in filled(query, values)
        assert "$server" not in query or parameter == "server"
        assert "$node" not in query or parameter == "node"
    if panel.above:
        assert panel.above[0] <= panel.above[1]
    if panel.below:
        assert panel.below[0] >= panel.below[1]


def test_titles_are_unique_where_they_are_shown_together():
    for one in DASHBOARDS.values():
        titles = [(panel.kind, panel.title) for panel in one.panels]
        assert len(set(titles)) == len(titles)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("up", {"up"}),
        ('sum by (s) (rate(a_total{b="c_d"}[5m])) or 0 * max(up{job="x"})', {"a_total", "up"}),
        ("histogram_quantile(0.9, sum by (le) (rate(s_bucket[1m])))", {"s_bucket"}),
        ("a / on (instance) group_left (nodename) b{c=~\"d|e\"} > 3", {"a", "b"}),
        ("clamp_min(a - on (x) sum(b), 0) unless c or vector(0)", {"a", "b", "c"}),
        ("time() - max(a) offset 5m", {"a"}),
        ("topk(1, sum(rate(a[$window])) without (b))", {"a"}),
    ],
)  # fmt: skip
def test_the_metrics_of_a_query(query, found):
    assert metrics_of(query) - {"m"} == found


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('title = "x"', "about"),
        ('title = "x"\nabout = "y"\npanels = []\nquery = "up"', "query"),
        (
            'title = "x"\nabout = "y"\n[[panels]]\ntitle = "z"\nunit = "furlongs"\n'
            "queries = { a = 'up' }",
            "'per_second'",
        ),
        (
            'title = "x"\nabout = "y"\n[[panels]]\ntitle = "z"\nunit = "count"\nqueries = {}',
            "queries",
        ),
    ],
)
def test_a_file_of_another_form_is_refused(text, told):
    with pytest.raises(ValidationError, match=told):
        read_dashboard(text)


def test_a_line_is_named_by_its_labels():
    assert named("{tool} {outcome}", {"tool": "search", "outcome": "ok"}) == "search ok"
    assert named("half", {}) == "half"
    assert named("{gone}", {}) == "{gone}"


def test_charts_have_as_many_points_as_a_screen_shows():
    for span in RANGES.values():
        assert span.seconds % span.step_s == 0
        assert 60 <= span.seconds // span.step_s <= 360


def test_readme_describes_every_unit():
    text = (ROOT / "images" / "backend" / "README.md").read_text()
    assert [unit for unit in UNITS if f"`{unit}`" not in text] == []
