"""Fields of answers that a model should see in another form than the service's."""

from typing import Annotated, Any, TypeVar

from pydantic import AliasPath, BeforeValidator, Field

T = TypeVar("T")


def at(*path: str | int, **more: Any) -> Any:
    """A field that has another name at the service, or is nested there. more: as pydantic's Field.

    A plain `validation_alias="its_name"` would appear in the schema that models see.
    """
    return Field(validation_alias=AliasPath(*path), **more)  # type: ignore[arg-type]


Text = Annotated[str, BeforeValidator(lambda given: given or "")]
"""A text that may be null at the service."""

Many = Annotated[list[T], BeforeValidator(lambda given: [] if given is None else given)]
"""A list that may be null at the service."""

Id = Annotated[str, Field(coerce_numbers_to_str=True)]
"""An id that the service may give as a number, which clients might round."""
