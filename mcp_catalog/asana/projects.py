"""Workspaces, people, projects with sections, fields and status updates; anything by name."""

from typing import Annotated, Literal

from pydantic import Field
from sophia_mcp.pages import TEXTS, Cursor, Limit, cut, cut_all

from . import models
from .asana import Asana
from .models import Name, Named, Notes, One, Page, Project, Workspace

_Findable = Literal["task", "project", "user", "tag", "team", "portfolio", "custom_field", "goal"]
_Health = Literal["on_track", "at_risk", "off_track", "on_hold", "complete", "dropped"]
_Counts = Annotated[bool, Field(description="Also count its tasks; Asana limits how often")]


class ProjectTools:
    """The tools."""

    def __init__(self, asana: Asana) -> None:
        self._asana = asana

    async def list_workspaces(self, limit: Limit = 50, cursor: Cursor = None) -> Page[Named]:
        """List the workspaces and organizations that the token's owner is in."""
        return await self._asana.get(Page[Named], "workspaces", limit=limit, offset=cursor)

    async def list_users(
        self, workspace: Workspace = None, limit: Limit = 50, cursor: Cursor = None
    ) -> Page[models.Person]:
        """List the people of a workspace. One by name: find_by_name."""
        place = await self._asana.workspace(workspace)
        return await self._asana.get(
            Page[models.Person], "users", workspace=place, limit=limit, offset=cursor
        )

    async def list_projects(
        self, workspace: Workspace = None, archived: bool = False,
        limit: Limit = 50, cursor: Cursor = None,
    ) -> Page[models.ProjectSummary]:  # fmt: skip
        """List the projects of a workspace. One by a part of its name: find_by_name."""
        where = {"workspace": await self._asana.workspace(workspace), "archived": archived}
        return await self._asana.get(
            Page[models.ProjectSummary], "projects", **where, limit=limit, offset=cursor
        )

    async def find_by_name(
        self, kind: _Findable, text: Name, workspace: Workspace = None, limit: Limit = 10
    ) -> Page[Named]:
        """Find things by a part of their name, best first: quick, on every plan, not exhaustive."""
        return await self._asana.alike(kind, text, workspace, limit)

    async def get_project(self, project: Project, counts: _Counts = False) -> models.Whole:
        """Get a project with its sections, and the custom fields of its tasks with options."""
        gid = await self._asana.gid("project", project)
        found = (await self._asana.get(One[models.ProjectDetail], "projects", gid)).data
        found.notes = cut(found.notes, TEXTS)
        fields = [one.field for one in found.settings]
        sections = await self._asana.sections(gid)
        whole = models.Whole(project=found, sections=sections, custom_fields=fields)
        if counts:
            which = "num_tasks,num_incomplete_tasks,num_completed_tasks"
            path = ("projects", gid, "task_counts")
            answer = await self._asana.get(One[dict[str, int]], *path, opt_fields=which)
            whole.counts = answer.data
        return whole

    async def list_project_statuses(
        self, project: Project, limit: Limit = 5, cursor: Cursor = None
    ) -> Page[models.Status]:
        """List the status updates of a project."""
        parent = await self._asana.gid("project", project)
        page = await self._asana.get(
            Page[models.Status], "status_updates", parent=parent, limit=limit, offset=cursor
        )
        cut_all(page.items, "text")
        return page

    async def create_project_status(
        self, project: Project, health: _Health, title: Name, text: Notes
    ) -> models.Status:
        """Post a status update on a project, which its members are told of."""
        data = {"parent": await self._asana.gid("project", project), "status_type": health}
        data |= {"title": title, "text": text}
        kind = One[models.Status]
        return (await self._asana.send(kind, "POST", "status_updates", data=data)).data
