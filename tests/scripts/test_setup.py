"""scripts/setup on machines that lack something, with programs that are scripts."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]

PYTHON = """#!/bin/sh
case "$*" in
  *"(3, 10)"*) exit ${TOO_OLD:-0} ;;
  *ensurepip*) exit 1 ;;
  --version) echo "Python 3.12.99" ;;
  *minor*) echo python3.12-venv ;;
  *) echo "ran: $*"; exit 9 ;;
esac
"""


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A checkout with nothing but the script, beside a `bin` that comes first on PATH."""
    (tmp_path / "scripts").mkdir()
    shutil.copy(REPOSITORY / "scripts/setup", tmp_path / "scripts")
    (tmp_path / "bin").mkdir()
    program(tmp_path, "python3", PYTHON)
    program(tmp_path, "python3.12", PYTHON)
    program(tmp_path, "apt-get", '#!/bin/sh\necho "$*" >>apt-log\nexit ${APT_FAILS:-0}\n')
    return tmp_path


def program(machine: Path, name: str, text: str) -> None:
    (machine / "bin" / name).write_text(text)
    (machine / "bin" / name).chmod(0o755)


def setup(machine: Path, *arguments: str, uid: int = 1000, **variables: str) -> subprocess.CompletedProcess[str]:
    program(machine, "id", f"#!/bin/sh\necho {uid}\n")
    return subprocess.run(
        ["scripts/setup", *arguments],
        cwd=machine,
        env={"PATH": f"{machine / 'bin'}:/usr/bin:/bin", **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("variables", "found"),
    [({"TOO_OLD": "1"}, "Python 3.12.99"), ({"PYTHON": "python9"}, "no python9")],
)
def test_an_old_python_and_none_are_told_with_what_to_install(
    machine: Path, variables: dict[str, str], found: str
) -> None:
    ran = setup(machine, "runtime", **variables)
    assert ran.stderr == (
        f"setup: needs python3 >= 3.10; found: {found}. On Debian, as root: apt-get install python3 python3-venv\n"
    )
    assert (ran.returncode, ran.stdout) == (1, "")


@pytest.mark.parametrize(
    ("variables", "package"), [({}, "python3-venv"), ({"PYTHON": "python3.12"}, "python3.12-venv")]
)
def test_without_venv_a_user_is_told_and_root_gets_it(machine: Path, variables: dict[str, str], package: str) -> None:
    told = setup(machine, "runtime", **variables)
    assert told.stderr == f"setup: {package} is missing. As root: apt-get install {package}\n"
    assert told.returncode == 1
    assert not (machine / "apt-log").exists()

    installs = setup(machine, "runtime", uid=0, **variables)
    assert (machine / "apt-log").read_text() == f"update -q\ninstall -qy {package}\n"
    assert installs.stdout.startswith(f"setup: installing {package} (apt-get)\n")
    assert "ran: -m venv .venv\n" in installs.stdout


def test_a_package_that_cannot_be_installed_ends_it(machine: Path) -> None:
    failed = setup(machine, "runtime", uid=0, APT_FAILS="100")
    assert failed.stderr == "setup: python3-venv could not be installed; see what apt-get says above\n"
    assert (failed.returncode, "making .venv" in failed.stdout) == (1, False)


@pytest.mark.parametrize("arguments", [(), ("nonsense",)])
def test_misuse_is_told(machine: Path, arguments: tuple[str, ...]) -> None:
    ran = setup(machine, *arguments)
    assert (ran.returncode, ran.stderr) == (2, "usage: scripts/setup runtime|dev\n")
