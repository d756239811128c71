"""Who may import whom, read from the source: the layers stay layers."""

import ast
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLACES = ["components", "providers", "simulator", "toolchain", "ops", "mcp_catalog"]
SOURCES = [
    ROOT / "__main__.py",
    *(file for place in PLACES for file in sorted((ROOT / place).rglob("*.py"))),
]
OURS = {"components", "providers", "simulator", "toolchain", "ops", "mcp_catalog"}
VALUES = {
    "components.reading",
    *(f"components.{file.stem}" for file in (ROOT / "components").glob("settings_*.py")),
}
"""Pure modules that hold values and their rules."""


def module_name(file: Path) -> str:
    parts = file.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(source: ast.AST, module: str) -> set[str]:
    """Every module named by an import, wherever it stands; `from a import b` names a and a.b."""
    found: set[str] = set()
    for node in ast.walk(source):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                package = module.rsplit(".", node.level)[0]
                base = f"{package}.{base}" if base else package
            found |= {base} | {f"{base}.{alias.name}" for alias in node.names}
    return found


FILES = {module_name(file): file for file in SOURCES}


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(FILES[module].read_text(), str(FILES[module]))


@cache
def imports(module: str) -> frozenset[str]:
    """Every module that a module imports."""
    return frozenset(imported(tree(module), module))


def within(module: str, *places: str) -> bool:
    return any(module == place or module.startswith(f"{place}.") for place in places)


def imports_of(module: str) -> set[str]:
    """The modules of ours that a module imports."""
    return {name for name in imports(module) if name in FILES}


def modules(*places: str) -> list[str]:
    return [module for module in FILES if within(module, *places)]


def is_pure(module: str) -> bool:
    if within(module, "components"):
        return within(module, "components.catalog", "components.plan", *VALUES)
    if within(module, "providers.runtime"):
        return within(module, "providers.runtime.declare", "providers.runtime.difference")
    if within(module, "providers"):
        return module.rsplit(".", 1)[-1] not in ("provider", "resources", "__main__")
    return False


PLATFORM = [f"components.{file.stem}" for file in (ROOT / "components").glob("platform_*.py")]
"""The program's top: the components, wired together."""

HELPERS = {
    "components.images": ("components.image_cache",),
    "components.gateway": ("components.workload", "components.gateway_certificate"),
    **dict.fromkeys(
        (
            *("components.database", "components.logs", "components.mcp_service"),
            *("components.monitoring", "components.own_database"),
        ),
        ("components.workload",),
    ),
}
"""What components have in common, as functions."""

COMPONENTS = [
    module
    for module in modules("components")
    if not is_pure(module)
    and module
    not in (
        *("components", "components.handles", "components.image_cache", "components.sensitive"),
        *("components.settings", *PLATFORM),
    )
]


def test_there_is_something_to_read():
    assert {"components.settings", "components.lambda_instance", "components.plan.names"} <= set(
        FILES
    )
    assert len(COMPONENTS) >= 4


@pytest.mark.parametrize("module", list(filter(is_pure, FILES)))
def test_pure_code_never_imports_pulumi(module):
    assert not [name for name in imports(module) if within(name, "pulumi")]


@pytest.mark.parametrize("module", list(filter(is_pure, modules("components"))))
def test_pure_components_import_pure_code_only(module):
    assert [name for name in imports_of(module) if not is_pure(name) and name.count(".")] == []


@pytest.mark.parametrize("module", COMPONENTS)
def test_components_do_not_import_one_another(module):
    helpers = HELPERS.get(module, ())
    allowed = ("components.handles", "components.catalog", "components.plan", *helpers)
    for name in imports_of(module):
        if within(name, "components") and name != "components":
            assert within(name, *allowed), f"{module} imports {name}"
        if within(name, "providers") and name.count("."):
            parts = name.split(".")
            ours = len(parts) == 2 or parts[2] == "resources" or is_pure(name)
            assert ours, f"{module} imports {name}"


def test_only_the_program_imports_the_platform_and_the_settings():
    drawn = {"components.platform_stack": ["ops.docs_of_graph"]}
    for target in ("components.platform_stack", "components.settings"):
        users = [module for module in FILES if target in imports_of(module)]
        assert users == ["__main__", *drawn.get(target, [])], f"{target} is imported by {users}"


def test_the_program_imports_settings_catalog_and_platform_and_is_short():
    ours = {name for name in imports_of("__main__") if name.count(".")}
    assert ours == {
        "components.settings",
        "components.settings_model",
        "components.catalog.loader",
        "components.platform_stack",
    } | {name for name in ours if name == "components.catalog"}
    assert len((ROOT / "__main__.py").read_text().splitlines()) <= 30


@pytest.mark.parametrize("module", modules("simulator"))
def test_the_simulator_reads_the_api_for_itself(module):
    assert not [name for name in imports(module) if within(name, "providers", "components")]


@pytest.mark.parametrize("module", modules("providers"))
def test_providers_stand_on_their_own(module):
    foreign = [
        name
        for name in imports(module)
        if within(name, "components", "simulator", "toolchain", "ops")
    ]
    assert foreign == []
    if not within(module, "providers.runtime"):
        own = ".".join(module.split(".")[:2])
        assert not [
            name
            for name in imports_of(module)
            if within(name, "providers")
            and name != "providers"
            and not within(name, own, "providers.runtime")
        ]


READERS = (
    *("components.settings", "providers.lambdalabs.provider"),
    *("simulator.__main__", "toolchain", "ops"),
)


@pytest.mark.parametrize(
    "module", [module for module in FILES if not within(module, *READERS, "mcp_catalog")]
)
def test_the_environment_is_read_in_five_places_only(module):
    used = [
        node.lineno
        for node in ast.walk(tree(module))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "os"
        and node.attr in ("environ", "getenv", "environb")
    ]
    assert used == [], f"{module} reads the environment on lines {used}"


def test_nothing_is_imported_that_nobody_named():
    """Third-party packages are the ones in requirements*.txt, by the names they import as."""
    text = (ROOT / "requirements.txt").read_text() + (ROOT / "requirements-dev.txt").read_text()
    known = {"jinja2", "yaml", "urllib3", "grpc", "google", "aiohttp", "pulumi_random"}
    known |= {
        line.split("==")[0].split("[")[0].replace("-", "_").lower()
        for line in text.splitlines()
        if "==" in line
    }
    standard = set(sys.stdlib_module_names)
    for module in modules("components", "providers"):
        tops = {name.split(".")[0] for name in imports(module) if name}
        assert tops <= known | OURS | standard, f"{module}: {tops - known - OURS - standard}"
