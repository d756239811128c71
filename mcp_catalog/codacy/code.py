"""Issues in code with the patterns that they match, and files with coverage and duplication."""

from typing import Annotated, Any, Literal

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import AfterValidator, BaseModel, Field, model_validator
from sophia_mcp.fields import Id, at
from sophia_mcp.pages import Cursor, Limit, cut

from .codacy import Codacy, One, Page
from .fields import Branch, Hits, Line, Long, Name, Names, Repository, Search, Uncovered

_IssueId = Annotated[
    str, Field(pattern=r"^\d{1,19}$", coerce_numbers_to_str=True, description="id as listed")
]
_Levels = Annotated[
    list[Literal["Error", "High", "Warning", "Info"]] | None,
    Field(max_length=4, description="Error is Critical on Codacy's pages, Warning Medium"),
]
_Category = Literal[
    "Security", "ErrorProne", "Performance", "Complexity", "UnusedCode", "Comprehensibility",
    "Compatibility", "BestPractice", "CodeStyle", "Documentation",
]  # fmt: skip
_Categories = Annotated[list[_Category] | None, Field(max_length=10)]
_Languages = Annotated[Names, Field(description="Without spaces, like Python or CSharp")]
_Reason = Literal["AcceptedUse", "FalsePositive", "NotExploitable", "TestCode", "ExternalCode"]
_Path = Annotated[str, Field(min_length=1, max_length=1_000, description="Like src/main.py")]
_Sort = Literal["filename", "issues", "grade", "duplication", "complexity", "coverage"]
_Examples = Annotated[
    list[str] | None, AfterValidator(lambda many: many and [cut(one, 1_000) for one in many[:3]])
]

_SOUGHT_PAGES = 5


class Issue(BaseModel):
    """An issue. get_pattern says why it matters, with tool_uuid and pattern_id."""

    id: Id = at("resultDataId")
    file: str = at("filePath")
    line: int | None = at("lineNumber", default=None)
    message: Line = ""
    level: str | None = at("patternInfo", "severityLevel", default=None)
    category: str | None = at("patternInfo", "category", default=None)
    pattern_id: str = at("patternInfo", "id")
    tool_uuid: str = at("toolInfo", "uuid")
    code: Line = at("lineText", default="")
    commit: str | None = at("commitInfo", "sha", default=None)
    change: str | None = at(
        "deltaType", default=None, description="Of a pull request: Added, Fixed"
    )

    @model_validator(mode="before")
    @classmethod
    def _flat(cls, raw: Any) -> Any:
        """Those of a pull request stand one level further inside."""
        inner = raw.get("commitIssue") if isinstance(raw, dict) else None
        return {**raw, **inner} if isinstance(inner, dict) else raw


class Issues(Page):
    """Issues. analyzed: of a pull request, whether its newest commit is; before, there are none."""

    issues: list[Issue] = at("data")
    analyzed: bool | None = None


class WholeIssue(Issue):
    """An issue with who wrote it and what Codacy suggests."""

    title: Line = at("patternInfo", "title", default="")
    tool: str | None = at("toolInfo", "name", default=None)
    author: str | None = at("commitInfo", "commiterName", default=None)
    suggestion: Long = ""
    false_positive_percent: int | None = at("falsePositiveProbability", default=None)
    false_positive_reason: Line = at("falsePositiveReason", default="")


class Pattern(BaseModel):
    """A rule of a tool: what it finds, why that matters, how to fix it."""

    id: str
    title: Line = ""
    level: str | None = at("severityLevel", default=None)
    category: str | None = None
    description: Long = ""
    explanation: Long = ""
    rationale: Long = ""
    solution: Long = ""
    good_examples: _Examples = at("goodExamples", default=None)
    bad_examples: _Examples = at("badExamples", default=None)


class Ignored(BaseModel):
    """An issue that is ignored now."""

    issue_id: str


class _Key(BaseModel):
    key: str = at("issueId")


class File(BaseModel):
    """A file at the newest commit of a branch."""

    file_id: Id = at("fileId")
    path: str
    grade: str | None = at("gradeLetter", default=None, description="A, the best, to F")
    issues: int | None = at("totalIssues", default=None)
    complexity: int | None = None
    coverage_percent: float | None = at("coverageWithDecimals", default=None)
    duplicated_lines: int | None = at("duplication", default=None)
    lines_of_code: int | None = at("linesOfCode", default=None)


class Files(Page):
    """Files of a repository."""

    files: list[File] = at("data")


class Coverage(BaseModel):
    """Which lines of a file tests run. Without a report none is coverable."""

    coverable_lines: int
    covered_lines: int
    uncovered: Uncovered


class Block(BaseModel):
    """Where code stands that also stands elsewhere."""

    path: str
    from_line: int = at("fromLine")
    to_line: int = at("toLine")


class Clone(BaseModel):
    """Blocks that are alike."""

    blocks: list[Block] = at("occurrences")


class Clones(Page):
    """Duplicated blocks of a file."""

    clones: list[Clone] = at("data")


class CodeTools:
    """The tools."""

    def __init__(self, codacy: Codacy) -> None:
        self._codacy = codacy

    async def list_repository_issues(
        self, repository: Repository, branch: Branch = None, levels: _Levels = None,
        categories: _Categories = None, languages: _Languages = None, pattern_ids: Names = None,
        author_emails: Names = None, limit: Limit = 30, cursor: Cursor = None,
    ) -> Issues:  # fmt: skip
        """List the open issues in a repository's code that match all filters. Vulnerable
        dependencies, secrets and due days are in search_security_items."""
        path = ("analysis", *await self._codacy.repository(repository), "issues", "search")
        filters = {
            "branchName": branch, "levels": levels, "categories": categories,
            "languages": languages, "patternIds": pattern_ids, "authorEmails": author_emails,
        }  # fmt: skip
        return await self._codacy.find(Issues, *path, filters=filters, limit=limit, cursor=cursor)

    async def get_issue(self, repository: Repository, issue_id: _IssueId) -> WholeIssue:
        """Get one open issue, with the fix that Codacy suggests."""
        path = ("analysis", *await self._codacy.repository(repository), "issues", issue_id)
        return (await self._codacy.get(One[WholeIssue], *path)).data

    async def ignore_issue(
        self, repository: Repository, issue_id: _IssueId, reason: _Reason,
        comment: Annotated[str, Field(max_length=1_000)] = "",
    ) -> Ignored:  # fmt: skip
        """Ignore an open issue from now on, for everybody. People can undo it in Codacy."""
        path = ("analysis", *await self._codacy.repository(repository), "issues")
        key = (await self._codacy.get(One[_Key], *path, issue_id)).data.key
        why = {"reason": reason, **({"comment": comment} if comment else {})}
        await self._codacy.change(*path, key, body={"ignored": True, **why})
        return Ignored(issue_id=issue_id)

    async def get_pattern(self, tool_uuid: Name, pattern_id: Name) -> Pattern:
        """Get a rule: what it finds, why that matters, how to fix it. Issues have both ids."""
        return (
            await self._codacy.get(One[Pattern], "tools", tool_uuid, "patterns", pattern_id)
        ).data

    async def list_files(
        self, repository: Repository, search: Search = None, branch: Branch = None,
        sort: _Sort = "filename", direction: Literal["asc", "desc"] = "asc", limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Files:  # fmt: skip
        """List a repository's files with grade, issues, complexity, coverage and duplication.
        Ignored files are not among them."""
        path = (*await self._codacy.repository(repository), "files")
        order = {"sort": sort, "direction": direction, "limit": limit, "cursor": cursor}
        return await self._codacy.get(Files, *path, search=search, branch=branch, **order)

    async def get_file_issues(
        self, repository: Repository, path: _Path, branch: Branch = None, limit: Limit = 50,
        cursor: Cursor = None,
    ) -> Issues:  # fmt: skip
        """List the open issues of one file."""
        file = await self._file(repository, path, branch)
        return await self._codacy.get(Issues, *file, "issues", limit=limit, cursor=cursor)

    async def get_file_coverage(
        self, repository: Repository, path: _Path, branch: Branch = None
    ) -> Coverage:
        """Get which lines of a file no test runs."""
        file = await self._file(repository, path, branch)
        lines = (await self._codacy.get(One[list[Hits]], *file, "coverage")).data
        covered = sum(one.hits > 0 for one in lines)
        counted = {"coverable_lines": len(lines), "covered_lines": covered, "uncovered": lines}
        return Coverage.model_validate(counted)

    async def get_file_clones(
        self, repository: Repository, path: _Path, branch: Branch = None, limit: Limit = 20,
        cursor: Cursor = None,
    ) -> Clones:  # fmt: skip
        """List the duplicated blocks of a file, with the places that they are alike to."""
        file = await self._file(repository, path, branch)
        return await self._codacy.get(Clones, *file, "duplication", limit=limit, cursor=cursor)

    async def _file(self, repository: str, path: str, branch: str | None) -> tuple[str, ...]:
        """The resource of a file. Its id is of one commit, so none is remembered."""
        files = (*await self._codacy.repository(repository), "files")
        wanted, near, cursor = path.removeprefix("./").lstrip("/"), list[str](), None
        query = {"search": wanted, "branch": branch, "limit": 100}
        for _ in range(_SOUGHT_PAGES):
            page = await self._codacy.get(Files, *files, **query, cursor=cursor)
            for one in page.files:
                if one.path == wanted:
                    return (*files, one.file_id)
            near += [one.path for one in page.files]
            if not (cursor := page.next_cursor):
                break
        like = f"; there is {', '.join(near[:5])}" if near else ""
        raise ToolError(
            f"path: Codacy has no file {wanted!r}{like}. It may be ignored, or not analysed yet: "
            "list_files has those that are."
        )
