"""The arrows of the two packages, read from their imports: who may know whom, and who may touch the world."""

from __future__ import annotations

import ast
import functools
from collections.abc import Mapping, Set
from pathlib import Path

import pytest
import tomli

CHECKOUT = Path(__file__).parents[1]
PACKAGES = ("monitor_loop", "monitor_tick")

CORE, SHELL = "core", "shell"

LAYERS = {
    "monitor_tick": CORE,
    "monitor_tick.probes": SHELL,
    "monitor_tick.effects": SHELL,
    "monitor_tick.decide": SHELL,
    "monitor_tick.decide.crashes": CORE,
    "monitor_tick.catalog": SHELL,
    "monitor_tick.recorded.archive": SHELL,
    "monitor_tick.recorded.cli": SHELL,
    "monitor_tick.state": SHELL,
    "monitor_tick.state.sealed": CORE,
    "monitor_tick.state.snapshots": CORE,
    "monitor_tick.state.statefile": CORE,
    "monitor_tick.github": SHELL,
    "monitor_tick.github.answers": CORE,
    "monitor_tick.github.causes": CORE,
    "monitor_tick.issues.board": SHELL,
    "monitor_tick.issues.cli": SHELL,
    "monitor_tick.issues.directory": SHELL,
    "monitor_tick.issues.compose": SHELL,
    "monitor_tick.issues.door": SHELL,
    "monitor_tick.issues.drain": SHELL,
    "monitor_tick.issues.follow": SHELL,
    "monitor_tick.issues.reconcile": SHELL,
    "monitor_tick.issues.send": SHELL,
    "monitor_tick.issues.github": SHELL,
    "monitor_tick.issues.filing": SHELL,
    "monitor_tick.issues.secrets": SHELL,
    "monitor_tick.issues.trackers": SHELL,
    "monitor_tick.investigation": SHELL,
    "monitor_tick.investigation.calls": CORE,
    "monitor_tick.investigation.causes": CORE,
    "monitor_tick.investigation.holders": CORE,
    "monitor_tick.investigation.hunks": CORE,
    "monitor_tick.investigation.hypothesis": CORE,
    "monitor_tick.investigation.moments": CORE,
    "monitor_tick.investigation.names": CORE,
    "monitor_tick.investigation.phases": CORE,
    "monitor_tick.investigation.prints": CORE,
    "monitor_tick.investigation.rust": CORE,
    "monitor_tick.investigation.rust_text": CORE,
    "monitor_tick.investigation.rust_tokens": CORE,
    "monitor_tick.investigation.values": CORE,
    "monitor_tick.tick": SHELL,
    "monitor_tick.budget": SHELL,
    "monitor_tick.cli": SHELL,
    "monitor_tick.catalog_cli": SHELL,
    "monitor_tick.commandline": SHELL,
    "monitor_tick.__main__": SHELL,
}
"""By the longest prefix of the module's name. CORE is values in, values out; whatever is not named here is CORE."""

CORE_MAY_IMPORT = {
    "__future__", "collections", "datetime", "difflib", "enum", "functools", "hashlib", "itertools", "math", "re",
    "typing",
    "msgspec",
    "prometheus_client",  # the text of an exposition, which is a string to it
}  # fmt: skip
CORE_MAY_IMPORT_OF_LOOP = {"monitor_loop", "monitor_loop.session", "monitor_loop.errors", "monitor_loop.acts"}
VALUES_BESIDE_READERS = {
    ("monitor_tick.recall", "monitor_tick.state.history"),  # HistoryLine
    ("monitor_tick.decide.crashes", "monitor_tick.probes.log.lines"),  # Line, for annotations only
}
"""Arrows from the core to a value that lives in a module which also reads or writes."""

NAMES_PATHS = {"monitor_tick.facts"}
"""May import pathlib, for the type of a field; nobody in the core opens one."""

SUBPROCESS = {"monitor_loop.shell", "monitor_loop.node", "monitor_loop.building.cargo", "monitor_loop.building.builder"}
"""Who starts a process: to wait for it with a deadline, the node, cargo, and the builder, which outlives the tick."""

CLOCKS = {
    "monitor_loop.cli",
    "monitor_tick.commandline",
    "monitor_loop.embedded.clock",
    "monitor_loop.building.buildwork",
}
"""The embedded node and the builder are programs of their own, each with a clock of its own."""

CLOCK_READINGS = {"datetime.now", "datetime.utcnow", "datetime.today", "date.today"} | {
    f"time.{name}" for name in ("time", "time_ns", "localtime", "gmtime", "ctime", "clock_gettime")
}
FILE_METHODS = {"read_text", "read_bytes", "write_text", "write_bytes", "mkdir", "unlink", "rmdir", "touch", "exists"}
FILE_METHODS |= {"is_file", "is_dir", "iterdir", "glob", "rglob", "stat", "lstat", "symlink_to", "readlink"}


def _name_of(path: Path) -> str:
    parts = path.relative_to(CHECKOUT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {_name_of(path): path for package in PACKAGES for path in sorted((CHECKOUT / package).rglob("*.py"))}


def layer_of(module: str) -> str:
    prefixes = [prefix for prefix in LAYERS if module == prefix or module.startswith(prefix + ".")]
    return LAYERS[max(prefixes, key=len)]


CORE_MODULES = [name for name in SOURCES if name.startswith("monitor_tick") and layer_of(name) == CORE]


@functools.cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(SOURCES[module].read_text(encoding="utf-8"))


@functools.cache
def imports_of(module: str) -> frozenset[str]:
    """Modules that `module` imports, at its top or inside a function; `from package import name` may mean a module."""
    found: set[str] = set()
    for node in ast.walk(tree_of(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: imports are absolute"
            base = node.module or ""
            inner = {f"{base}.{alias.name}" for alias in node.names} & SOURCES.keys()
            # `from package import module` needs the package itself only where another of its names is taken.
            found |= inner
            if len(inner) < len(node.names):
                found.add(base)
    return frozenset(found - {module})


@functools.cache
def calls_of(module: str) -> frozenset[str]:
    """Dotted names that are called, such as `datetime.now`; of a longer chain, its last two."""
    called = (node.func for node in ast.walk(tree_of(module)) if isinstance(node, ast.Call))
    return frozenset(".".join(ast.unparse(func).split(".")[-2:]) for func in called)


def cycle_in(arrows: Mapping[str, Set[str]]) -> list[str]:
    """The names along one cycle; empty where there is none."""
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        for following in sorted(arrows.get(name, ())):
            if found := walk(following, [*path, name]):
                return found
        done.add(name)
        return []

    return next((found for name in sorted(arrows) if (found := walk(name, []))), [])


def test_the_node_and_its_session_know_nothing_of_the_tick() -> None:
    wrong = {name: found for name in SOURCES if (found := _of_tick(name)) and name.startswith("monitor_loop")}
    assert wrong == {}


def _of_tick(module: str) -> list[str]:
    return sorted(name for name in imports_of(module) if name.split(".")[0] == "monitor_tick")


def test_the_tables_of_this_file_name_what_exists() -> None:
    assert [arrow for arrow in VALUES_BESIDE_READERS if arrow[1] not in imports_of(arrow[0])] == []
    assert [prefix for prefix in LAYERS if prefix not in SOURCES] == []
    assert (SUBPROCESS | CLOCKS | NAMES_PATHS) - SOURCES.keys() == set()


@pytest.mark.parametrize("module", CORE_MODULES)
def test_the_core_imports_values_only(module: str) -> None:
    found = imports_of(module)
    allowed = CORE_MAY_IMPORT | ({"pathlib"} if module in NAMES_PATHS else set())
    foreign = {name for name in found if name.split(".")[0] not in PACKAGES and name.split(".")[0] not in allowed}
    assert foreign == set(), f"{module} is core: it does not reach the world"
    loop = {name for name in found if name.startswith("monitor_loop")} - CORE_MAY_IMPORT_OF_LOOP
    assert loop == set(), f"{module} is core: of monitor_loop it knows the session's values"
    shell = {name for name in found if name.startswith("monitor_tick") and layer_of(name) == SHELL}
    shell -= {read for reader, read in VALUES_BESIDE_READERS if reader == module}
    assert shell == set(), f"{module} is core: it is called with values, and calls nobody who gets them"


@pytest.mark.parametrize("module", CORE_MODULES)
def test_the_core_opens_no_file(module: str) -> None:
    called = calls_of(module)
    assert "open" not in called
    assert {name for name in called if name.split(".")[-1] in FILE_METHODS} == set()


def test_no_module_needs_itself() -> None:
    assert cycle_in({name: imports_of(name) & SOURCES.keys() for name in SOURCES}) == []


def test_only_the_commands_read_the_clock() -> None:
    reading = {name: found for name in SOURCES if (found := calls_of(name) & CLOCK_READINGS) and name not in CLOCKS}
    assert reading == {}


def test_monotonic_time_is_never_read_in_the_core() -> None:
    assert [name for name in CORE_MODULES if {"time.monotonic", "time.perf_counter"} & calls_of(name)] == []


def test_subprocess_has_one_door() -> None:
    assert {name for name in SOURCES if "subprocess" in imports_of(name)} <= SUBPROCESS


def test_a_cycle_is_found() -> None:
    assert cycle_in({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert cycle_in({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def test_the_wheel_holds_every_package() -> None:
    """The top level keeps setuptools from finding them by itself."""
    declared = set(tomli.loads((CHECKOUT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["packages"])
    assert declared == {name for name, path in SOURCES.items() if path.name == "__init__.py"} | {"monitor_tick.shared"}
