"""What calls of models may cost together."""

import pytest
from mcp.server.mcpserver.exceptions import ToolError
from sophia_mcp.budget import Budget, read_budget
from sophia_mcp.settings import read_settings


def test_an_estimate_is_held_back_until_the_cost_is_known():
    budget = Budget(per_call=0.5, per_day=1.0)
    day = budget.hold(0.5)
    assert budget.most() == 0.5
    budget.hold(0.5)
    with pytest.raises(ToolError, match=r"\$1.0000 of today's \$1 are spent"):
        budget.hold(0.1)
    budget.settle(day, 0.5, 0.2)
    assert budget.spent() == 0.7
    assert budget.most() == pytest.approx(0.3)


def test_no_call_may_cost_more_than_a_call_may():
    with pytest.raises(ToolError, match="OPENROUTER_MAX_USD_PER_CALL"):
        Budget(per_call=0.1, per_day=9).hold(0.11)


def test_its_settings():
    given = {"OPENROUTER_MAX_USD_PER_DAY": "7.5"}
    budget = read_budget(read_settings("ui_ux_agent", given))
    assert (budget.per_call, budget.per_day) == (0.1, 7.5)
