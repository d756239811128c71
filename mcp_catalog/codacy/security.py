"""Security and risk management: what is open in an organization, how urgent, until when."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field
from sophia_mcp.fields import at
from sophia_mcp.pages import Cursor, Limit

from .codacy import Codacy, One, Page
from .fields import Line, Names, Organization

_Repositories = Annotated[Names, Field(description="Names without the organization; else all")]
_Priorities = Annotated[
    list[Literal["Critical", "High", "Medium", "Low"]] | None, Field(max_length=4)
]
_Status = Literal["Overdue", "DueSoon", "OnTrack", "ClosedOnTime", "ClosedLate", "Ignored"]
_Statuses = Annotated[
    list[_Status] | None, Field(max_length=6, description="Without, the first three: what is open")
]
_Categories = Annotated[Names, Field(description="As items have them; _other_ for none")]
_Scan = Literal[
    "SAST", "Secrets", "SCA", "ContainerSCA", "IaC", "CICD", "License", "DAST", "PenTesting", "CSPM"
]
_Scans = Annotated[list[_Scan] | None, Field(max_length=10)]

_OPEN = ["Overdue", "DueSoon", "OnTrack"]
_WORST = 20


class Item(BaseModel):
    """A security problem, and when it is due."""

    id: str
    title: Line
    repository: str | None = None
    priority: str | None = None
    status: str | None = None
    due_at: str | None = at("dueAt", default=None)
    scan_type: str | None = at("scanType", default=None)
    category: str | None = at("securityCategory", default=None)
    cve: str | None = None
    affected_version: str | None = at("affectedVersion", default=None)
    fixed_versions: list[str] | None = at("fixedVersion", default=None)
    remediation: Line = ""
    url: str | None = at("htmlUrl", default=None)


class Items(Page):
    """Security problems."""

    items: list[Item] = at("data")


class Urgent(BaseModel):
    """Open problems of a repository by priority."""

    name: str
    critical: int
    high: int
    medium: int
    low: int


class Dashboard(BaseModel):
    """Numbers of open problems. repositories: the 20 with the most urgent ones."""

    open: int = at("totalOpen")
    overdue: int
    due_soon: int = at("dueSoon")
    critical: int = at("openCritical")
    high: int = at("openHigh")
    repositories: list[Urgent] = Field(default_factory=list)


class SecurityTools:
    """The tools."""

    def __init__(self, codacy: Codacy) -> None:
        self._codacy = codacy

    async def search_security_items(
        self, organization: Organization = None, repositories: _Repositories = None,
        priorities: _Priorities = None, statuses: _Statuses = None,
        categories: _Categories = None, scan_types: _Scans = None,
        sort: Literal["Status", "DetectedAt"] = "Status",
        direction: Literal["asc", "desc"] = "asc", limit: Limit = 30, cursor: Cursor = None,
    ) -> Items:  # fmt: skip
        """List security problems of an organization or of some of its repositories: in code,
        dependencies, secrets, infrastructure and running applications."""
        path = (*await self._codacy.organization(organization), "security", "items", "search")
        filters = {
            "repositories": [name.rpartition("/")[2] for name in repositories or []],
            "priorities": priorities, "statuses": statuses or _OPEN, "categories": categories,
            "scanTypes": scan_types,
        }  # fmt: skip
        order = {"sort": sort, "direction": direction, "limit": limit, "cursor": cursor}
        return await self._codacy.find(Items, *path, filters=filters, **order)

    async def get_security_overview(self, organization: Organization = None) -> Dashboard:
        """Count an organization's open security problems, and name the repositories with the most
        urgent ones."""
        path = (*await self._codacy.organization(organization), "security", "dashboard")
        board = (await self._codacy.find(One[Dashboard], *path, filters={})).data
        below = (*path, "repositories", "search")
        found = (await self._codacy.find(One[list[Urgent]], *below, filters={})).data
        found.sort(key=lambda one: (-one.critical, -one.high, -one.medium, -one.low))
        board.repositories = found[:_WORST]
        return board
