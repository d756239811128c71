"""What calls may cost, before they are made."""

from .models import WholeModel

SEARCH_USD, RESULT_TOKENS = 0.007, 1_500
"""The price of a search by Exa, up to 10 results; and what a result adds to the prompt."""


def prompt_tokens(texts: list[str]) -> int:
    """Rather too many: three bytes a token, and some for each message."""
    return sum(len(text.encode()) // 3 + 10 for text in texts)


def price_limits(model: WholeModel, prompt: int, completion: int, most: float) -> dict[str, float]:
    """For OpenRouter's routing, in USD per million tokens: no provider that would make so many
    tokens cost more than `most`. Listed prices are those of one provider; others ask for more."""
    if model.prompt_usd and model.completion_usd:
        listed = prompt * model.prompt_usd + completion * model.completion_usd
        times = most * 1_000_000 / listed
        return {"prompt": model.prompt_usd * times, "completion": model.completion_usd * times}
    even = most * 1_000_000 / (prompt + completion)
    return {"prompt": even, "completion": even}
