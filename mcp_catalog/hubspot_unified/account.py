"""An account's setup: types, properties, pipelines, people, and the token's rights."""

import asyncio
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field
from sophia_mcp import pages
from sophia_mcp.fields import Text, at
from sophia_mcp.pages import Cursor, Limit, NextCursor
from sophia_mcp.settings import Credential
from sophia_mcp.upstream import Upstream

from .fields import Found, ObjectType, Page


class Schema(Found):
    """A custom type of records; as object_type it is called object_type_id or full_name."""

    object_type_id: str = at("objectTypeId")
    full_name: str | None = at("fullyQualifiedName", default=None)
    name: str
    label: str | None = at("labels", "plural", default=None)
    title_property: str | None = at("primaryDisplayProperty", default=None)
    required: list[str] | None = at("requiredProperties", default=None)
    searchable: list[str] | None = at("searchableProperties", default=None)


class Schemas(BaseModel):
    """Custom types of records; HubSpot's own (contacts, …) are not among them."""

    schemas: list[Schema] = at("results")


class Option(BaseModel):
    """A value of a property with options."""

    value: str
    label: Text = ""


class Property(BaseModel):
    """A property. type: string, number, date, datetime, bool, enumeration. options: 500 at most."""

    name: str
    label: Text = ""
    type: str
    description: Text = ""
    read_only: bool = at("modificationMetadata", "readOnlyValue", default=False)
    unique: bool | None = at("hasUniqueValue", default=False)
    options: Annotated[list[Option], AfterValidator(lambda every: every[:500])] = []


class _Listed(Property):
    hidden: bool | None = False


class _Properties(BaseModel):
    results: list[_Listed]


class Properties(BaseModel):
    """Properties. total: of all pages."""

    total: int
    properties: list[Property]
    next_cursor: NextCursor = None


class Stage(BaseModel):
    """A stage. probability: that a deal in it is won, 1.0 or 0.0 when it is closed."""

    id: str
    label: str
    probability: str | None = at("metadata", "probability", default=None)
    is_closed: str | None = at("metadata", "isClosed", default=None)


class Pipeline(BaseModel):
    """A pipeline with its stages, in their order."""

    id: str
    label: str
    stages: list[Stage]


class Pipelines(BaseModel):
    """Pipelines of a type of records, which hold the ids."""

    pipelines: list[Pipeline] = at("results")


class Owner(BaseModel):
    """Somebody whom records belong to, by id in hubspot_owner_id."""

    id: str
    email: str | None = None
    first_name: str | None = at("firstName", default=None)
    last_name: str | None = at("lastName", default=None)
    user_id: int | None = at("userId", default=None)


class Owners(Page):
    """Owners."""

    owners: list[Owner] = at("results")


class Account(Found):
    """The account. user_id: of whoever made the token, as in list_owners. Pages of records:
    https://{ui_domain}/contacts/{portal_id}/record/0-1/{id}; 0-2 for companies, 0-3 for deals."""

    portal_id: str = at("portalId")
    ui_domain: str | None = at("uiDomain", default=None)
    time_zone: str | None = at("timeZone", default=None)
    currency: str | None = at("companyCurrency", default=None)
    user_id: int | None = None
    scopes: list[str] = Field(default=[], description="What the token may do")


class _Token(BaseModel):
    user_id: int | None = at("userId", default=None)
    scopes: list[str]


class Setup:
    """The tools."""

    def __init__(self, api: Upstream, token: Credential) -> None:
        self._api, self._token = api, token

    async def get_account(self) -> Account:
        """Get the account's id, time zone and currency, and the scopes of this server's token."""
        path = ("oauth", "v2", "private-apps", "get", "access-token-info")
        body = {"tokenKey": self._token.value}
        account, token = await asyncio.gather(
            self._api.get(Account, "account-info", "v3", "details"),
            self._api.send(_Token, "POST", *path, body=body, repeatable=True),
        )
        account.user_id, account.scopes = token.user_id, token.scopes
        return account

    async def get_schemas(self) -> Schemas:
        """List the custom types of records that the account has."""
        few = {"includePropertyDefinitions": False, "includeAssociationDefinitions": False}
        return await self._api.get(Schemas, "crm-object-schemas", "v3", "schemas", params=few)

    async def list_properties(
        self, object_type: ObjectType,
        query: Annotated[str, Field(max_length=100, description="Part of its texts")] = "",
        details: Annotated[bool, Field(description="Also descriptions and options")] = False,
        limit: Limit = 100, cursor: Cursor = None,
    ) -> Properties:  # fmt: skip
        """List the properties that records of a type may have; hidden ones are left out. There are
        hundreds, so give a query; with details, it says which values fit."""
        found = await self._api.get(_Properties, "crm", "v3", "properties", object_type)
        words = query.lower()
        every: list[Property] = [
            one for one in found.results
            if not one.hidden and words in f"{one.name} {one.label} {one.description}".lower()
        ]  # fmt: skip
        if not details:
            every = [one.model_copy(update={"description": "", "options": []}) for one in every]
        shown, more = pages.paged(every, cursor, limit)
        return Properties(total=len(every), properties=shown, next_cursor=more)

    async def list_pipelines(self, object_type: ObjectType = "deals") -> Pipelines:
        """List the pipelines of deals, tickets or another type, with their stages."""
        return await self._api.get(Pipelines, "crm", "v3", "pipelines", object_type)

    async def list_owners(
        self, email: Annotated[str | None, Field(max_length=250)] = None, limit: Limit = 100,
        cursor: Cursor = None,
    ) -> Owners:  # fmt: skip
        """List the people whom records may belong to, or find one by e-mail address."""
        params = {"email": email, "limit": limit, "after": cursor}
        return await self._api.get(Owners, "crm", "v3", "owners", params=params)
