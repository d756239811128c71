"""What Markdown files name exists: links, headings, `make` targets, configuration keys, files."""

import re
import subprocess
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
FILES = subprocess.run(
    ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
    cwd=ROOT,
    check=True,
    capture_output=True,
    text=True,
).stdout.splitlines()
PAGES = [name for name in FILES if name.endswith(".md") and (ROOT / name).is_file()]
RULES = re.findall(r"^([a-z][a-z -]*):", (ROOT / "Makefile").read_text(), re.M)
TARGETS = {target for rule in RULES for target in rule.split()}
CONFIG = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
KEYS = {key: set(re.findall(r"^ *- (\w+)", CONFIG[key]["description"], re.M)) for key in CONFIG}
OF_THE_USER = ("secrets", "env", "replace", "callers", "servers")
"""Keys that are followed by a name of the user's."""
EXAMPLES = ("mcp_catalog/jira", "mcp_catalog/NAME")
"""Servers that a reader is about to make."""
SCOPES = ("policies.list", "policies.read")
"""Of Portkey's keys, not of our configuration."""

FENCE = re.compile(r"^```.*?^```", re.M | re.S)
SPAN = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
FILE = re.compile(r"[\w.*<>/-]+\.(?:py|md|yaml|toml|j2|json|sh|lua)|[\w.*<>-]+(?:/[\w.*<>-]+)*/")


def text(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


def prose(page: str) -> str:
    """Without code blocks, whose brackets are not links."""
    return re.sub(r"^ {4}.*$", "", FENCE.sub("", text(page)), flags=re.M)


def code(page: str) -> list[str]:
    """Everything that stands as code: spans in a line, fenced and indented blocks."""
    whole = text(page)
    indented = re.findall(r"^ {4}(.*)$", whole, re.M)
    return [*SPAN.findall(prose(page)), *"\n".join(FENCE.findall(whole)).splitlines(), *indented]


def anchors(page: str) -> set[str]:
    """Those of a page's headings, as GitHub makes them."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ +(.+?) *#*$", FENCE.sub("", text(page)), re.M):
        plain = LINK.sub(lambda link: link[0][1:].partition("]")[0], heading)
        base = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        count = next(n for n in range(99) if (f"{base}-{n}" if n else base) not in found)
        found.add(f"{base}-{count}" if count else base)
    return found


def broken(page: str) -> Iterator[str]:
    """Links to files and headings that do not exist. Those to other sites are not asked."""
    for link in LINK.findall(prose(page)):
        path, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", path):
            continue
        target = (ROOT / page).parent / path if path else ROOT / page
        if not target.exists():
            yield f"{link}: no such file"
        elif anchor and anchor not in anchors(str(target)):
            yield f"{link}: no such heading"


def unknown_targets(page: str) -> Iterator[str]:
    for line in code(page):
        line = line.partition(" # ")[0]
        for words in re.findall(r"(?:^|[ (\"])make((?: [a-z][a-z-]*(?![\w=/.]))+)", line):
            yield from (f"make {word}" for word in words.split() if word not in TARGETS)


def unknown_keys(page: str) -> Iterator[str]:
    """Of `pulumi config set KEY`, and of `key.another`."""
    for line in code(page):
        named = re.findall(
            r"pulumi config (?:set|get|rm) (?:--\S+ )*['\"]?([a-zA-Z][^'\"\s`]+)", line
        )
        if match := re.match(r"(\w+)((\[\d*\])?\.[\w<>-]+)+", line):
            ours = match[1] in KEYS and match[0] not in SCOPES and not FILE.fullmatch(match[0])
            named += [match[0]] if ours else []
        for path in named:
            key, *below = re.sub(r"\[\d*\]", "", path.removeprefix("sophia:")).split(".")
            pairs = zip([key, *below], below, strict=False)
            if key not in KEYS or any(
                before not in OF_THE_USER and word not in KEYS[key] for before, word in pairs
            ):
                yield path


def lost_files(page: str) -> Iterator[str]:
    """Code that looks like a file or a folder of this repository but isn't one."""
    tops = {name.partition("/")[0] for name in FILES if "/" in name}
    for span in SPAN.findall(prose(page)):
        if not FILE.fullmatch(span) or span.startswith(("/", "~")) or span.startswith(EXAMPLES):
            continue
        inside = "/" in span and span.split("/")[0] in tops
        if inside or span.endswith((".py", ".md", ".j2")):
            wanted = re.sub(r"<[^>]*>", "*", span)
            end = f"*{wanted}*" if span.endswith("/") else f"*{wanted}"
            if not any(fnmatch(f"/{name}", end if inside else f"*/{wanted}") for name in FILES):
                yield span


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("wrong", [broken, unknown_targets, unknown_keys, lost_files])
def test_what_a_page_names_exists(page: str, wrong):
    assert list(wrong(page)) == []


def test_what_counts_as_wrong(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text(
        "# A `code` heading\n## Twice\n## Twice\n"
        "[a](#a-code-heading) [b](#twice-1) [c](#twice-2) [d](gone.md) [e](https://x.example)\n"
        "`make up` `make upp` `A=b make serve NAME=x` and make what you like\n"
        "`pulumi config set --path 'gateway.port' 1` `pulumi config rm gatway.port`\n"
        "`gateway.callers.alice.rotate` `gateway.colour` `servers.jira.env` `servers.jira.envs`\n"
        "`ops/needs.py` `ops/gone.py` `needs.py` `gone.py` `components/*.py` `acme/web.py`\n"
    )
    name = str(page)
    assert list(broken(name)) == ["#twice-2: no such heading", "gone.md: no such file"]
    assert list(unknown_targets(name)) == ["make upp"]
    assert sorted(unknown_keys(name)) == ["gateway.colour", "gatway.port", "servers.jira.envs"]
    assert list(lost_files(name)) == ["ops/gone.py", "gone.py", "acme/web.py"]
