"""What Asana's objects are to a model, and the arguments that several tools have.

The models also determine the requested fields: otherwise Asana returns only names and gids.
"""

from datetime import date, datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, Field, model_validator
from sophia_mcp.fields import at
from sophia_mcp.pages import NextCursor

T = TypeVar("T")

Name = Annotated[str, Field(min_length=1, max_length=1_000)]
Notes = Annotated[str, Field(min_length=1, max_length=60_000)]
Project = Annotated[str, Field(min_length=1, max_length=500, description="gid, exact name or link")]
User = Annotated[str, Field(min_length=1, max_length=300, description='"me", e-mail, name or gid')]
Workspace = Annotated[
    str | None, Field(max_length=300, description="gid or name, if not the default one")
]


class _Answer(BaseModel):
    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, raw: Any) -> Any:
        """What Asana says is null is as good as left out."""
        return {k: v for k, v in raw.items() if v is not None} if isinstance(raw, dict) else raw


class One(BaseModel, Generic[T]):
    """Asana's envelope of one object."""

    data: T


Nothing = One[dict[str, Any]]
"""Of a change that says no more than that it is done."""


class Page(BaseModel, Generic[T]):
    """A part of a list."""

    items: list[T] = at("data")
    next_cursor: NextCursor = at("next_page", "offset", default=None)


class Named(_Answer):
    """An object by its name."""

    gid: str
    name: str = ""


class Person(Named):
    """A user. email: where one may see it."""

    email: str | None = None


class Option(Named):
    """What an enum field may hold."""

    enabled: bool = Field(True, exclude=True)


class CustomField(Named):
    """A custom field. options: of an enum."""

    kind: str | None = at("resource_subtype", default=None)
    options: Annotated[
        list[Option], AfterValidator(lambda options: [one for one in options if one.enabled])
    ] = at("enum_options", default_factory=list)


class Setting(_Answer):
    """That a project's tasks have a custom field."""

    field: CustomField = at("custom_field")


class OfProject(_Answer):
    """Custom fields of a project's tasks. Without a paid plan Asana leaves them out."""

    settings: list[Setting] = at("custom_field_settings", default_factory=list, exclude=True)


class OfTask(_Answer):
    """Custom fields of a task."""

    fields: list[CustomField] = at("custom_fields", default_factory=list)


class ProjectSummary(Named):
    """A project as lists have it."""

    archived: bool = False
    completed: bool = False
    owner: str | None = at("owner", "name", default=None)
    team: str | None = at("team", "name", default=None)
    due_on: date | None = None
    last_status: str | None = at("current_status_update", "title", default=None)


class ProjectDetail(ProjectSummary, OfProject):
    """A project itself."""

    start_on: date | None = None
    members: list[Named] = Field(default_factory=list)
    privacy: str | None = at("privacy_setting", default=None)
    url: str | None = at("permalink_url", default=None)
    notes: str = ""


class Whole(BaseModel):
    """A project and what belongs to it. sections: the columns of a board."""

    project: ProjectDetail
    sections: list[Named]
    custom_fields: list[CustomField] = Field(description="Of its tasks")
    counts: dict[str, int] | None = None


class Status(_Answer):
    """A status update of a project."""

    gid: str
    title: str = ""
    health: str | None = at("status_type", default=None)
    author: str | None = at("author", "name", default=None)
    created_at: datetime | None = None
    text: str = ""


class FieldValue(_Answer):
    """A custom field as people read it."""

    name: str = ""
    value: str | None = at("display_value", default=None)


class Place(_Answer):
    """Where a task is."""

    project_gid: str | None = at("project", "gid", default=None)
    project: str | None = at("project", "name", default=None)
    section: str | None = at("section", "name", default=None)


class TaskSummary(Named):
    """A task as lists have it; custom fields without the empty ones."""

    completed: bool = False
    assignee: str | None = at("assignee", "name", default=None)
    due_on: date | None = None
    due_at: datetime | None = None
    created_at: datetime | None = None
    places: list[Place] = at("memberships", default_factory=list)
    subtasks: int = at("num_subtasks", default=0)
    custom_fields: Annotated[
        list[FieldValue], AfterValidator(lambda fields: [one for one in fields if one.value])
    ] = Field(default_factory=list)


Tasks = Page[TaskSummary]


class TaskDetail(TaskSummary):
    """A whole task."""

    kind: str | None = at("resource_subtype", default=None)
    approval: str | None = at("approval_status", default=None)
    assignee_gid: str | None = at("assignee", "gid", default=None)
    start_on: date | None = None
    completed_at: datetime | None = None
    modified_at: datetime | None = None
    parent_gid: str | None = at("parent", "gid", default=None)
    parent: str | None = at("parent", "name", default=None)
    tags: list[Named] = Field(default_factory=list)
    followers: list[Named] = Field(default_factory=list)
    url: str | None = at("permalink_url", default=None)
    notes: str = ""
    html_notes: str = Field("", exclude=True)


class Story(_Answer):
    """A comment, or something that happened to a task."""

    gid: str
    kind: str | None = at("resource_subtype", default=None)
    author: str | None = at("created_by", "name", default=None)
    created_at: datetime | None = None
    text: str = ""


class Done(BaseModel):
    """What was done."""

    done: str
