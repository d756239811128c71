"""A service with OpenAI's API for embeddings, whose vectors are made of words: texts that share
words are near, and so are those that share what `MEANINGS` calls the same. Numbers mean nothing, as
they mean little to a model."""

from __future__ import annotations

import math
import random
import re
from collections.abc import Callable, Sequence
from functools import cache
from itertools import repeat
from operator import add, mul

from tests.support.upstream import Reply, Request, ok

PATH = "POST /v1/embeddings"
MEANINGS = {"automobile": "car", "cars": "car", "feline": "cat", "beverage": "tea"}


def vector(text: str, dimensions: int, model: str = "") -> list[float]:
    """Of length 1, the same for the same text, model and dimensions."""
    words = re.findall(r"[^\W\d_]+", text.lower()) or [""]
    total: Sequence[float] = [0.0] * dimensions
    for word in words:
        total = list(map(add, total, _word(MEANINGS.get(word, word), dimensions, model)))
    length = math.hypot(*total)
    return list(map(mul, total, repeat(1 / length)))


@cache
def _word(word: str, dimensions: int, model: str) -> tuple[float, ...]:
    chance = random.Random(f"{word} {model}")
    return tuple(chance.gauss(0, 1) for _ in range(dimensions))


def answers(dimensions: int = 64) -> Callable[[Request], Reply]:
    """Good answers, with as many dimensions as requested."""

    def answer(request: Request) -> Reply:
        size = request.body.get("dimensions", dimensions)
        return ok(
            {
                "object": "list",
                "model": request.body["model"],
                "data": [
                    {
                        "object": "embedding",
                        "index": index,
                        "embedding": vector(text, size, request.body["model"]),
                    }
                    for index, text in enumerate(request.body["input"])
                ],
            }
        )

    return answer
