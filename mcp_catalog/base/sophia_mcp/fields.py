"""Fields of answers, where the service's own form is not the one that a model should see."""

from typing import Annotated, Any, TypeVar

from pydantic import AliasPath, BeforeValidator, Field

T = TypeVar("T")


def at(*path: str | int, **more: Any) -> Any:
    """A field that the service calls otherwise, or has further inside. more: as pydantic's Field.

    A plain `validation_alias="its_name"` would stand in the schema that models see.
    """
    return Field(validation_alias=AliasPath(*path), **more)  # type: ignore[arg-type]


Text = Annotated[str, BeforeValidator(lambda given: given or "")]
"""A text that the service may leave out by null."""

Many = Annotated[list[T], BeforeValidator(lambda given: [] if given is None else given)]
"""A list that the service may leave out by null."""

Id = Annotated[str, Field(coerce_numbers_to_str=True)]
"""An id that the service may give as a number, which a client may round."""
