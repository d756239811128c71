"""This server's user in Snowflake, and its rights besides reading."""

from pydantic import BaseModel, Field

from .guard import identifier
from .statements import Statements

_WHO = """SELECT CURRENT_ACCOUNT() AS account, CURRENT_USER() AS user, CURRENT_ROLE() AS role,
    CURRENT_SECONDARY_ROLES() AS secondary_roles, CURRENT_WAREHOUSE() AS warehouse,
    CURRENT_DATABASE() AS database, CURRENT_VERSION() AS version"""
_READING = frozenset({
    "USAGE", "SELECT", "REFERENCES", "REFERENCE_USAGE", "MONITOR", "MONITOR USAGE", "READ",
    "IMPORTED PRIVILEGES", "OPERATE",
})  # fmt: skip


class Access(BaseModel):
    """Who this server is."""

    account: str
    user: str
    role: str | None
    secondary_roles: str | None = Field(description="What these may do, it may do, too")
    warehouse: str | None
    database: str | None
    version: str
    more_than_reading: list[str] = Field(description="What the role may do besides, the first 50")
    roles_inherited: list[str] = Field(description="Their rights are not among those")


class Session:
    """The tool."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements

    async def get_access(self) -> Access:
        """Show who this server is in Snowflake: user, role, warehouse, database, and what its role
        may do besides reading."""
        [who] = (await self._statements.run(_WHO)).named()
        more: list[str] = []
        roles: list[str] = []
        if who["role"]:
            grants = f"SHOW GRANTS TO ROLE {identifier(str(who['role']))}"
            for row in (await self._statements.run(grants)).named():
                what, on, name = (str(row.get(key)) for key in ("privilege", "granted_on", "name"))
                if on in ("ROLE", "DATABASE_ROLE"):
                    roles.append(name)
                elif what not in _READING:
                    more.append(f"{what} on {on} {name}")
        return Access.model_validate(
            {**who, "more_than_reading": more[:50], "roles_inherited": roles}
        )
