"""What Linear's objects are to a model."""

from datetime import datetime
from typing import Annotated

from pydantic import AliasChoices, AliasPath, BeforeValidator, Field
from sophia_mcp.fields import Text, at
from sophia_mcp.pages import at_most

from .linear import Node


def _names(nodes: object) -> object:
    if not isinstance(nodes, list):
        return nodes
    return [node.get("name") if isinstance(node, dict) else node for node in nodes]


def _word(label: object) -> object:
    return label.lower().removeprefix("no priority") or "none" if isinstance(label, str) else label


Names = Annotated[list[str], BeforeValidator(_names)]
Priority = Annotated[str | None, BeforeValidator(_word)]
Excerpt = Annotated[Text, at_most(240)]
Whole = Annotated[Text, at_most(20_000)]
"""At 4 bytes a character it still fits into an answer."""


class Short(Node):
    """An issue, in short."""

    graphql = "identifier title state{name}"

    identifier: str
    title: Text = ""
    state: str | None = at("state", "name", default=None)


class Relation(Node):
    """How two issues belong together: blocks, duplicate, related or similar."""

    graphql = f"type issue:relatedIssue{{{Short.graphql}}}"

    type: str
    issue: Short


class IssueSummary(Short):
    """An issue as lists have it: of the description, the beginning."""

    graphql = """id identifier title url description priorityLabel estimate dueDate createdAt
        updatedAt archivedAt state{name type} assignee{name} team{key} project{name} cycle{number}
        parent{identifier} labels(first:20){nodes{name}}"""

    id: str
    url: str
    state_type: str | None = at("state", "type", default=None)
    priority: Priority = at("priorityLabel", default=None)
    assignee: str | None = at("assignee", "name", default=None)
    team: str | None = at("team", "key", default=None)
    project: str | None = at("project", "name", default=None)
    cycle: int | None = at("cycle", "number", default=None)
    parent: str | None = at("parent", "identifier", default=None)
    labels: Names = at("labels", "nodes", default_factory=list)
    estimate: float | None = None
    due_date: str | None = at("dueDate", default=None)
    created_at: datetime = at("createdAt")
    updated_at: datetime = at("updatedAt")
    archived_at: datetime | None = at("archivedAt", default=None)
    description: Excerpt = ""


_OURS = {"default_factory": list, "description": "This issue blocks … that one"}
_THEIRS = {"default_factory": list, "description": "That issue blocks … this one"}


class Issue(IssueSummary):
    """An issue. Its comments: list_comments. attachments: links, such as to pull requests."""

    graphql = f"""{IssueSummary.graphql} branchName creator{{name}} projectMilestone{{name}}
        children(first:50){{nodes{{{Short.graphql}}}}} attachments(first:20){{nodes{{name:url}}}}
        relations(first:20){{nodes{{{Relation.graphql}}}}}
        inverseRelations(first:20){{nodes{{type issue{{{Short.graphql}}}}}}}"""

    description: Whole = ""
    branch: str | None = at("branchName", default=None)
    creator: str | None = at("creator", "name", default=None)
    milestone: str | None = at("projectMilestone", "name", default=None)
    children: list[Short] = at("children", "nodes", default_factory=list)
    attachments: Names = at("attachments", "nodes", default_factory=list)
    relations: list[Relation] = at("relations", "nodes", **_OURS)
    inverse_relations: list[Relation] = at("inverseRelations", "nodes", **_THEIRS)


_AUTHORS = AliasChoices(*(AliasPath(who, "name") for who in ("user", "externalUser", "botActor")))


class Comment(Node):
    """A comment. parent_id: of the one that it answers."""

    graphql = """id body createdAt url parentId resolvedAt user{name} externalUser{name}
        botActor{name}"""

    id: str
    author: str | None = Field(None, validation_alias=_AUTHORS)
    body: Text = ""
    created_at: datetime = at("createdAt")
    parent_id: str | None = at("parentId", default=None)
    resolved_at: datetime | None = at("resolvedAt", default=None)
    url: str


class Milestone(Node):
    """A step of a project. progress: from 0 to 1."""

    graphql = "id name targetDate progress"

    id: str
    name: str
    target_date: str | None = at("targetDate", default=None)
    progress: float | None = None


class Update(Node):
    """How a project stood at a time. health: onTrack, atRisk or offTrack."""

    graphql = "body health createdAt url user{name}"

    author: str | None = at("user", "name", default=None)
    health: str | None = None
    body: Annotated[Text, at_most(1_000)] = ""
    created_at: datetime = at("createdAt")
    url: str


class ProjectSummary(Node):
    """A project as lists have it. progress: from 0 to 1."""

    graphql = """id name url description health priorityLabel progress startDate targetDate
        status{name type} lead{name} teams(first:10){nodes{name:key}}"""

    id: str
    name: str
    url: str
    status: str | None = at("status", "name", default=None)
    status_type: str | None = at("status", "type", default=None)
    health: str | None = None
    priority: Priority = at("priorityLabel", default=None)
    progress: float | None = None
    lead: str | None = at("lead", "name", default=None)
    teams: Names = at("teams", "nodes", default_factory=list)
    start_date: str | None = at("startDate", default=None)
    target_date: str | None = at("targetDate", default=None)
    description: Excerpt = ""


class Project(ProjectSummary):
    """A project with its milestones and its latest three updates."""

    graphql = f"""{ProjectSummary.graphql} content
        projectMilestones(first:50){{nodes{{{Milestone.graphql}}}}}
        projectUpdates(first:3){{nodes{{{Update.graphql}}}}}"""

    content: Whole = ""
    milestones: list[Milestone] = at("projectMilestones", "nodes", default_factory=list)
    updates: list[Update] = at("projectUpdates", "nodes", default_factory=list)


class DocumentSummary(Node):
    """A document as lists have it."""

    graphql = "id title url updatedAt project{name} issue{identifier} creator{name}"

    id: str
    title: Text = ""
    url: str
    project: str | None = at("project", "name", default=None)
    issue: str | None = at("issue", "identifier", default=None)
    creator: str | None = at("creator", "name", default=None)
    updated_at: datetime = at("updatedAt")


class Document(DocumentSummary):
    """A document, in Markdown."""

    graphql = f"{DocumentSummary.graphql} content"

    content: Whole = ""


class User(Node):
    """A person or an app."""

    graphql = "id name displayName email active"

    id: str
    name: str
    display_name: Text = at("displayName", default="")
    email: str | None = None
    active: bool | None = None


class State(Node):
    """A status of issues. type: triage, backlog, unstarted, started, completed or canceled."""

    graphql = "id name type position team{key}"

    id: str
    name: str
    type: str
    team: str | None = at("team", "key", default=None)
    position: float = 0


class Label(Node):
    """A label of issues. team: null for one of the whole workspace."""

    graphql = "id name description isGroup team{key} parent{name}"

    id: str
    name: str
    description: Excerpt = ""
    team: str | None = at("team", "key", default=None)
    group: str | None = at("parent", "name", default=None)
    is_group: bool = at("isGroup", default=False)


class Cycle(Node):
    """A cycle of a team. progress: from 0 to 1."""

    graphql = "id number name startsAt endsAt progress isActive isNext team{key}"

    id: str
    number: int
    name: str | None = None
    team: str | None = at("team", "key", default=None)
    starts_at: datetime = at("startsAt")
    ends_at: datetime = at("endsAt")
    progress: float | None = None
    is_current: bool = at("isActive", default=False)
    is_next: bool = at("isNext", default=False)


class TeamSummary(Node):
    """A team. key: the beginning of its issues' identifiers."""

    graphql = "id key name description"

    id: str
    key: str
    name: str
    description: Excerpt = ""


class Team(TeamSummary):
    """A team with its statuses, its current cycle and its people, 50 at most."""

    graphql = f"""{TeamSummary.graphql} states(first:50){{nodes{{{State.graphql}}}}}
        activeCycle{{{Cycle.graphql}}} members(first:50){{nodes{{name}}}}"""

    statuses: list[State] = at("states", "nodes", default_factory=list)
    cycle: Cycle | None = at("activeCycle", default=None)
    members: Names = at("members", "nodes", default_factory=list)
