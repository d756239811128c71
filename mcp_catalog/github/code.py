"""Code: files and directories, searches in them, who changed what, and new commits."""

import base64
import binascii
from datetime import datetime
from io import StringIO
from typing import Annotated

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasPath,
    BaseModel,
    BeforeValidator,
    Field,
    RootModel,
)
from sophia_mcp.fields import at
from sophia_mcp.pages import TEXTS, Cursor, Limit, NextCursor, cut, cut_all, that_fit

from .fields import (
    Body,
    Few,
    Name,
    Owner,
    Path,
    Ref,
    Repo,
    Search,
    Sha,
    Title,
    moment,
)
from .github import GitHub

_PathOrRoot = Annotated[str, Field(max_length=1_000, description="Like src/main.py; empty: root")]
_FirstLine = Annotated[str, AfterValidator(lambda text: text.partition("\n")[0])]


def _fragments(found: object) -> object:
    return (
        [cut(str(one.get("fragment")), 500) for one in found] if isinstance(found, list) else found
    )


_Fragments = Annotated[list[str], BeforeValidator(_fragments)]

_PUSH = """mutation($input:CreateCommitOnBranchInput!){
    createCommitOnBranch(input:$input){commit{oid url}}}"""


class Entry(BaseModel):
    """What a directory has."""

    name: str
    type: str = Field(description="file, dir, symlink or submodule")
    size: int = 0


class Contents(BaseModel):
    """A file's text, or a directory's entries."""

    path: str
    type: str = "dir"
    sha: str | None = None
    size: int | None = Field(default=None, description="Bytes")
    lines: int | None = Field(default=None, description="Of the whole file")
    text: str | None = Field(default=None, description="Null for what is no file of UTF-8")
    next_line: int | None = Field(default=None, description="Give it as first_line to read on")
    entry_count: int | None = Field(default=None, description="Of the whole directory")
    entries: list[Entry] | None = Field(default=None, description="The first that fit")


class CodeMatch(BaseModel):
    """A file that has what was searched."""

    repository: str = at("repository", "full_name")
    path: str
    url: str = at("html_url")
    fragments: _Fragments = at("text_matches", default_factory=list)


class Code(BaseModel):
    """Files on default branches. incomplete: the search ran out of time."""

    total: int = at("total_count")
    incomplete: bool = at("incomplete_results", default=False)
    matches: list[CodeMatch] = at("items")
    next_cursor: NextCursor = None


class CommitSummary(BaseModel):
    """A commit. author: the account, or the name in the commit if there is none."""

    sha: str
    message: _FirstLine = at("commit", "message")
    author: str = Field(
        "unknown",
        validation_alias=AliasChoices(
            AliasPath("author", "login"), AliasPath("commit", "author", "name")
        ),
    )
    date: datetime | None = at("commit", "author", "date", default=None)
    url: str = at("html_url")


class Commits(BaseModel):
    """Commits, newest first."""

    commits: list[CommitSummary]
    next_cursor: NextCursor = None


class FileChange(BaseModel):
    """A changed file. patch: null for binary and very large ones."""

    path: str = at("filename")
    status: str = Field(description="added, modified, removed, renamed or so")
    previous_path: str | None = at("previous_filename", default=None)
    additions: int
    deletions: int
    patch: str | None = None


class Commit(CommitSummary):
    """A commit with a page of its files."""

    message: str = at("commit", "message")
    additions: int = at("stats", "additions", default=0)
    deletions: int = at("stats", "deletions", default=0)
    files: list[FileChange] = Field(default_factory=list)
    next_cursor: NextCursor = None


class Pushed(BaseModel):
    """The commit that was made, now the head of the branch."""

    sha: str = at("createCommitOnBranch", "commit", "oid")
    url: str = at("createCommitOnBranch", "commit", "url")


class NewFile(BaseModel):
    """A file as it should be."""

    path: Annotated[str, Field(min_length=1, max_length=1_000, description="Like src/main.py")]
    text: Annotated[str, Field(max_length=200_000)]


class _Raw(BaseModel):
    """GitHub's answer for a path that isn't a directory."""

    path: str
    type: str
    sha: str
    size: int
    content: str | None = None
    encoding: str | None = None


class _Found(RootModel[list[Entry] | _Raw]):
    pass


class Files:
    """The tools."""

    def __init__(self, hub: GitHub) -> None:
        self._hub = hub

    async def get_file_contents(
        self, owner: Owner, repo: Repo, path: _PathOrRoot = "", ref: Ref | None = None,
        first_line: Annotated[int, Field(ge=1)] = 1,
    ) -> Contents:  # fmt: skip
        """Read a file of up to 1 MB, or list a directory; without ref, of the default branch.

        Long files come in parts: next_line leads on.
        """
        inside = [part for part in path.split("/") if part]
        answer = await self._hub.get(_Found, "repos", owner, repo, "contents", *inside, ref=ref)
        found = answer.root
        if isinstance(found, list):
            return Contents(path=path, entry_count=len(found), entries=that_fit(found))
        about = Contents(path=found.path, type=found.type, sha=found.sha, size=found.size)
        if found.type != "file":
            return about
        if found.encoding != "base64":
            raise ToolError(
                f"{found.path} has {found.size} bytes, more than the 1 MB that can be read here: "
                "search in it with search_code, or clone the repository"
            )
        try:
            text = base64.b64decode(found.content or "").decode()
        except (binascii.Error, UnicodeDecodeError):
            return about
        return _part(about, list(StringIO(text, newline="\n")), first_line)

    async def search_code(self, query: Search, limit: Few = 20, cursor: Cursor = None) -> Code:
        """Find files by their text, like `"def main" repo:owner/name language:python path:src`.

        Only default branches are searched. GitHub allows 10 searches a minute.
        """
        return await self._hub.listed(
            Code, "search", "code", limit=limit, cursor=cursor, q=query,
            accept="application/vnd.github.text-match+json",
        )  # fmt: skip

    async def list_commits(
        self, owner: Owner, repo: Repo, ref: Ref | None = None, path: Path | None = None,
        author: Name | None = None, since: datetime | None = None, until: datetime | None = None,
        limit: Limit = 30, cursor: Cursor = None,
    ) -> Commits:  # fmt: skip
        """List commits, newest first: of a branch, of a file or directory, of an author."""
        found, following = await self._hub.page(
            list[CommitSummary], "repos", owner, repo, "commits", limit=limit, cursor=cursor,
            sha=ref, path=path, author=author, since=moment(since), until=moment(until),
        )  # fmt: skip
        return Commits(commits=found, next_cursor=following)

    async def get_commit(
        self, owner: Owner, repo: Repo, ref: Ref, limit: Few = 20, cursor: Cursor = None
    ) -> Commit:
        """Get a commit with the files that it changes, and their patches, long ones cut."""
        found = await self._hub.listed(
            Commit, "repos", owner, repo, "commits", *ref.split("/"), limit=limit, cursor=cursor
        )
        cut_all(found.files, "patch")
        found.message = cut(found.message, 5_000)
        return found

    async def push_files(
        self, owner: Owner, repo: Repo, branch: Name, head_sha: Sha, title: Title,
        files: Annotated[list[NewFile], Field(max_length=50)], message: Body = "",
        deleted: Annotated[list[Path], Field(max_length=50)] | None = None,
    ) -> Pushed:  # fmt: skip
        """Commit new and changed files to a branch, all in one commit, each file as a whole.

        head_sha is the branch's commit that you read (list_branches): if somebody pushed since,
        nothing is changed.
        """
        if not files and not deleted:
            raise ToolError("files, deleted: expected a file at least, got none")
        added = [
            {"path": one.path, "contents": base64.b64encode(one.text.encode()).decode()}
            for one in files
        ]
        given = {
            "branch": {"repositoryNameWithOwner": f"{owner}/{repo}", "branchName": branch},
            "message": {"headline": title, "body": message},
            "fileChanges": {
                "additions": added,
                "deletions": [{"path": path} for path in deleted or []],
            },
            "expectedHeadOid": head_sha,
        }
        return await self._hub.graphql(Pushed, _PUSH, input=given)


def _part(about: Contents, lines: list[str], first: int) -> Contents:
    """As many lines from the first on as an answer holds; a longer one is cut."""
    if first > max(len(lines), 1):
        raise ToolError(f"first_line: expected 1 to {len(lines)}, the lines of {about.path}")
    taken: list[str] = []
    room = TEXTS
    for line in lines[first - 1 :]:
        if taken and len(line) > room:
            break
        taken.append(cut(line, TEXTS))
        room -= len(line)
    last = first - 1 + len(taken)
    return about.model_copy(
        update={
            "text": "".join(taken),
            "lines": len(lines),
            "next_line": last + 1 if last < len(lines) else None,
        }
    )
