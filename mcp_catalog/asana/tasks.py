"""Tasks: lists, searches, one with what belongs to it; new ones, changes, comments, links."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, Any, Literal

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import AwareDatetime, Field
from sophia_mcp import pages
from sophia_mcp.arguments import given
from sophia_mcp.pages import TEXTS, Cursor, Limit, cut, cut_all

from . import custom, models
from .asana import LINK_OR_GID, Asana
from .models import Name, Notes, One, Page, Project, User, Workspace

_Task = Annotated[str, Field(pattern=LINK_OR_GID, description="gid or link")]
_Section = Annotated[Name | None, Field(description="gid or name; needs project")]
_Completed = Annotated[bool, Field(description="Also completed ones")]
_Due = Annotated[date | None, Field(description="A day, such as 2026-11-27")]
_Moment = Annotated[AwareDatetime | None, Field(description="Such as 2026-11-27T17:00:00Z")]
_Start = Annotated[date | None, Field(description="Needs due_on or due_at in the same call")]
_Html = Annotated[
    bool, Field(description="The text is not plain but XML of h1 h2 strong em u s code "
    'pre ul ol li a blockquote; <a data-asana-gid="123"/> mentions a user or a task'),
]  # fmt: skip
_Values = Annotated[
    dict[str, custom.Value] | None, Field(max_length=30, description="By name or gid, such as "
    '{"Priority": "High", "Cost": 3.5}; a list for several options or people, null empties one'),
]  # fmt: skip
_Names = Annotated[list[Name] | None, Field(max_length=20)]
_Assignee = Annotated[User | None, Field(description='Or "nobody"; else as in get_user_tasks')]
_Kind = Literal["default_task", "milestone", "approval"]
_Sort = Literal["created_at", "modified_at", "due_date", "completed_at", "likes", "relevance"]
_Relation = Literal["subtasks", "dependencies", "dependents"]
_Clear = Annotated[
    list[Literal["assignee", "due_on", "start_on", "notes"]] | None,
    Field(description="Fields to empty"),
]
_Link = Literal["project", "tag", "follower", "dependency", "dependent", "parent"]
_Target = Annotated[
    Name, Field(description="Project, tag or user by name or gid; a task by gid or link")
]
_AsHtml = Annotated[bool, Field(description="With notes as HTML, to change them without loss")]

SOUGHT_PAGES = 5
_LINKS = {
    "project": ("project", "Project", "project"),
    "tag": ("tag", "Tag", "tag"),
    "follower": ("user", "Followers", "followers"),
    "dependency": ("task", "Dependencies", "dependencies"),
    "dependent": ("task", "Dependents", "dependents"),
    "parent": ("task", "Parent", "parent"),
}
"""The kind of link, the end of Asana's path, and the key there."""


class TaskTools:
    """The tools. search: with the pace of searches."""

    def __init__(self, asana: Asana, search: Asana) -> None:
        self._asana, self._search = asana, search

    async def get_project_tasks(
        self, project: Project, section: _Section = None, completed: _Completed = False,
        limit: Limit = 50, cursor: Cursor = None,
    ) -> models.Tasks:  # fmt: skip
        """List the tasks of a project or of one of its sections, in their order there."""
        where = ("projects", await self._asana.gid("project", project))
        if section:
            where = ("sections", await self._asana.section(where[1], section))
        since = None if completed else "now"
        return await self._asana.get(
            models.Tasks, *where, "tasks", completed_since=since, limit=limit, offset=cursor
        )

    async def get_user_tasks(
        self, user: User = "me", workspace: Workspace = None, completed: _Completed = False,
        limit: Limit = 50, cursor: Cursor = None,
    ) -> models.Tasks:  # fmt: skip
        """List the tasks that are assigned to somebody: with "me", to the token's owner."""
        place = await self._asana.workspace(workspace)
        return await self._asana.get(
            models.Tasks, "tasks", assignee=await self._asana.gid("user", user, place),
            workspace=place, completed_since=None if completed else "now", limit=limit,
            offset=cursor,
        )  # fmt: skip

    async def search_tasks(
        self, text: Name | None = None, workspace: Workspace = None, assignee: _Assignee = None,
        created_by: User | None = None, project: Project | None = None, section: _Section = None,
        tag: Name | None = None, completed: bool | None = None, kind: _Kind | None = None,
        is_subtask: bool | None = None, is_blocked: bool | None = None, due_after: _Due = None,
        due_before: _Due = None, modified_after: _Moment = None, completed_after: _Moment = None,
        sort_by: _Sort = "created_at", ascending: bool = False,
        limit: Limit = 50, cursor: Cursor = None,
    ) -> models.Tasks:  # fmt: skip
        """Search the tasks of a workspace by all of these at once; only on paid plans of Asana.

        Only by created_at there are further pages. What changes is found a minute later.
        """
        if (section and not project) or (cursor and sort_by != "created_at"):
            raise ToolError("expected a project with section, and sort_by created_at with cursor")
        asana, place = self._asana, await self._asana.workspace(workspace)
        inside = await asana.maybe("project", project, place)
        whose = "null" if assignee == "nobody" else await asana.maybe("user", assignee, place)
        params = {
            "text": text, "completed": completed, "resource_subtype": kind,
            "is_subtask": is_subtask, "is_blocked": is_blocked, "assignee.any": whose,
            "created_by.any": await asana.maybe("user", created_by, place),
            "tags.any": await asana.maybe("tag", tag, place),
            # With both, Asana finds tasks in either.
            "sections.any": await asana.section(inside, section) if inside and section else None,
            "projects.any": None if section else inside,
            "due_on.after": due_after, "due_on.before": due_before,
            "modified_at.after": modified_after and modified_after.isoformat(),
            "completed_at.after": completed_after and completed_after.isoformat(),
            "created_at.after" if ascending else "created_at.before":
                pages.place(cursor, 1)[0] if cursor else None,
            "sort_by": sort_by, "sort_ascending": ascending, "limit": limit,
        }  # fmt: skip
        path = ("workspaces", place, "tasks", "search")
        found = await self._search.get(models.Tasks, *path, **params)
        return _with_cursor(found, limit) if sort_by == "created_at" else found

    async def get_task(self, task: _Task, html: _AsHtml = False) -> models.TaskDetail:
        """Get a whole task. Comments: get_task_stories; subtasks and what it waits for:
        list_related_tasks."""
        gid = await self._asana.gid("task", task)
        found = (await self._asana.get(One[models.TaskDetail], "tasks", gid)).data
        found.notes = cut(found.html_notes if html else found.notes, TEXTS)
        return found

    async def list_related_tasks(
        self, task: _Task, relation: _Relation = "subtasks", limit: Limit = 50,
        cursor: Cursor = None,
    ) -> models.Tasks:  # fmt: skip
        """List the subtasks of a task, what it waits for (dependencies), or what waits for it
        (dependents)."""
        path = ("tasks", await self._asana.gid("task", task), relation)
        return await self._asana.get(models.Tasks, *path, limit=limit, offset=cursor)

    async def get_task_stories(
        self, task: _Task, history: bool = False, limit: Limit = 50, cursor: Cursor = None
    ) -> Page[models.Story]:
        """Read the comments on a task, oldest first; with history also what else happened to it.

        Pages are read until one has a comment; next_cursor leads on.
        """
        path = ("tasks", await self._asana.gid("task", task), "stories")
        for _ in range(SOUGHT_PAGES):
            page = await self._asana.get(Page[models.Story], *path, limit=limit, offset=cursor)
            page.items = [s for s in page.items if history or s.kind == "comment_added"]
            if page.items or not (cursor := page.next_cursor):
                break
        cut_all(page.items, "text")
        return page

    async def create_task(
        self, name: Name, project: Project | None = None, section: _Section = None,
        parent: _Task | None = None, workspace: Workspace = None, notes: Notes | None = None,
        html: _Html = False, assignee: User | None = None, due_on: _Due = None,
        due_at: _Moment = None, start_on: _Start = None, followers: _Names = None,
        tags: _Names = None, custom_fields: _Values = None, kind: _Kind = "default_task",
    ) -> models.TaskSummary:  # fmt: skip
        """Create a task in a project, or with parent a subtask. With neither, only its creator, its
        assignee and its followers see it."""
        if (section or custom_fields) and not project:
            raise ToolError("section, custom_fields: expected the project that has them, too")
        data = _written(name, notes, html, due_on, due_at, start_on)
        asana, place = self._asana, workspace
        if not (project or parent):
            data["workspace"] = place = await asana.workspace(workspace)
        if project:
            gid = await asana.gid("project", project, place)
            data["projects"] = [gid]
            if section:
                inside = await asana.section(gid, section)
                data["memberships"] = [{"project": gid, "section": inside}]
            if custom_fields:
                known = await custom.of_project(asana, gid)
                data["custom_fields"] = await custom.values(asana, custom_fields, known)
        data |= {
            "resource_subtype": kind,
            "parent": await asana.maybe("task", parent, place),
            "assignee": await asana.maybe("user", assignee, place),
            "followers": [await asana.gid("user", one, place) for one in followers or ()] or None,
            "tags": [await asana.gid("tag", one, place) for one in tags or ()] or None,
        }
        return (await asana.send(One[models.TaskSummary], "POST", "tasks", data=given(**data))).data

    async def update_task(
        self, task: _Task, name: Name | None = None, notes: Notes | None = None,
        html: _Html = False, assignee: User | None = None, due_on: _Due = None,
        due_at: _Moment = None, start_on: _Start = None, custom_fields: _Values = None,
        kind: _Kind | None = None, clear: _Clear = None,
    ) -> models.TaskSummary:  # fmt: skip
        """Change a task: what is not given stays, what clear names is emptied, notes are replaced
        as a whole. Projects, tags, followers, dependencies: link_task."""
        gid = await self._asana.gid("task", task)
        data = _written(name, notes, html, due_on, due_at, start_on, clear or ())
        if custom_fields:
            known = await custom.of_task(self._asana, gid)
            data["custom_fields"] = await custom.values(self._asana, custom_fields, known)
        if assignee:
            data["assignee"] = await self._asana.gid("user", assignee)
        if kind:
            data["resource_subtype"] = kind
        if not data:
            raise ToolError("expected something to change: give a field, or name one in clear")
        return await self._put(gid, data)

    async def complete_task(self, task: _Task, completed: bool = True) -> models.TaskSummary:
        """Mark a task as done, or with false as not done."""
        return await self._put(await self._asana.gid("task", task), {"completed": completed})

    async def _put(self, gid: str, data: dict[str, Any]) -> models.TaskSummary:
        kind = One[models.TaskSummary]
        return (await self._asana.send(kind, "PUT", "tasks", gid, data=data, repeatable=True)).data

    async def add_comment(self, task: _Task, text: Notes, html: _Html = False) -> models.Story:
        """Comment on a task, which its followers are told of."""
        data = _said("text", text, html)
        path = ("tasks", await self._asana.gid("task", task), "stories")
        return (await self._asana.send(One[models.Story], "POST", *path, data=data)).data

    async def link_task(
        self, task: _Task, link: _Link, target: _Target, section: _Section = None,
        remove: bool = False,
    ) -> models.Done:  # fmt: skip
        """Put a task into a project (with section also to move it there), tag it, let somebody
        follow it, move it below a parent, make it wait for another task (dependency) or block one
        (dependent); or with remove take that away."""
        if section and (link != "project" or remove):
            raise ToolError("section: expected only where a task is put into a project")
        gid = await self._asana.gid("task", task)
        of, path, key = _LINKS[link]
        what = await self._asana.gid(of, target)
        data: dict[str, Any] = {key: [what] if key.endswith("s") else what}
        verb = "remove" if remove else "add"
        if link == "parent":
            verb, data = "set", {"parent": None if remove else what}
        if section:
            data["section"] = await self._asana.section(what, section)
        await self._asana.send(
            models.Nothing, "POST", "tasks", gid, f"{verb}{path}", data=data, repeatable=True
        )
        return models.Done(done=f"task {gid}: {link} {what} {'removed' if remove else 'set'}")

    async def delete_task(self, task: _Task) -> models.Done:
        """Delete a task. For 30 days it can be restored from the trash in Asana."""
        gid = await self._asana.gid("task", task)
        await self._asana.send(models.Nothing, "DELETE", "tasks", gid)
        return models.Done(done=f"task {gid}: deleted")


def _written(
    name: str | None, notes: str | None, html: bool, due_on: date | None, due_at: datetime | None,
    start_on: date | None, clear: Sequence[str] = (),
) -> dict[str, Any]:  # fmt: skip
    """The given fields in Asana's form, and those to empty."""
    every = _said("notes", notes, html) | {
        "name": name, "due_on": due_on and due_on.isoformat(),
        "due_at": due_at and due_at.isoformat(), "start_on": start_on and start_on.isoformat(),
    }  # fmt: skip
    data = given(**every)
    asked = [key.replace("html_", "").replace("_at", "_on") for key in data] + [*clear]
    if twice := sorted({key for key in asked if asked.count(key) > 1}):
        raise ToolError(f"{', '.join(twice)}: expected one of a value, a time and clear, got two")
    return data | {key: "" if key == "notes" else None for key in clear}


def _said(key: str, text: str | None, html: bool) -> dict[str, Any]:
    if text is None or not html:
        return {key: text}
    return {f"html_{key}": text if text.lstrip().startswith("<body") else f"<body>{text}</body>"}


def _with_cursor(found: models.Tasks, limit: int) -> models.Tasks:
    """With the instant of the last one as its place. Others of that instant, of which some may be
    on the next page only, are left to it as a whole."""
    if len(found.items) < limit or found.items[-1].created_at is None:
        return found
    last = found.items[-1].created_at
    found.items = [one for one in found.items if one.created_at != last] or found.items
    last = found.items[-1].created_at or last
    found.next_cursor = pages.cursor(last.isoformat())
    return found
