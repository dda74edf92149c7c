from __future__ import annotations

import contextlib
import errno
import shlex
import subprocess
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor_loop import envfile
from monitor_loop.errors import MonitorError
from monitor_loop.session import DataRoot, Mode, Session
from tests.examples import examples

DATA = DataRoot(Path("/srv/data"))

USERS = """\
MONITOR_SESSION_ID=8f7e6d5c
MONITOR_MODE=validator
MONITOR_CONFIG=configs/validator-mainnet-rpc.toml
MONITOR_ADMIN_PORT=11627
MONITOR_RPC_PORT=8000
MONITOR_RUN_FLAGS=--validator
MONITOR_BINARY=/srv/data/8f7e6d5c/cargo-target/release/henyey
"""

SESSION = Session(
    data=DATA,
    id="8f7e6d5c",
    mode=Mode.VALIDATOR,
    config="configs/validator-mainnet-rpc.toml",
    admin_port=11627,
    rpc_port=8000,
    run_flags="--validator",
    binary=Path("/srv/data/8f7e6d5c/cargo-target/release/henyey"),
    repo=Path("/srv/henyey"),
)

USERS_KEYS = [line.partition("=")[0] for line in USERS.splitlines()]


def parse(text: str) -> Session:
    return envfile.parse(text, DATA, cwd=Path("/srv/henyey"))


def with_line(key: str, value: str) -> str:
    return "".join(f"{key}={value}\n" if line.startswith(f"{key}=") else line for line in USERS.splitlines(True))


def sourced(file: Path, keys: list[str]) -> list[str]:
    """What sh has in its variables after it sourced `file`."""
    program = '. "$0"; for key; do eval "printf \'%s\\\\0\' \\"\\${$key}\\""; done'
    done = subprocess.run(["/bin/sh", "-c", program, str(file), *keys], capture_output=True, check=True)
    assert done.stderr == b""
    return done.stdout.decode().split("\0")[:-1]


# --- reading -----------------------------------------------------------------------------------------------------


def test_the_users_keys_are_enough() -> None:
    assert parse(USERS) == SESSION


def test_without_a_repo_the_current_directory_is_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert envfile.parse(USERS, DATA).repo == tmp_path
    assert envfile.parse(f"{USERS}MONITOR_REPO=/elsewhere\n", DATA).repo == Path("/elsewhere")


def test_a_watcher_has_no_rpc_port_and_no_flags() -> None:
    text = with_line("MONITOR_RPC_PORT", "").replace("=--validator", "=''").replace("=validator\n", "=watcher\n")
    session = parse(text)
    assert (session.mode, session.rpc_port, session.run_flags) == (Mode.WATCHER, None, "")


@pytest.mark.parametrize("key", USERS_KEYS)
def test_L47_each_of_the_users_keys_is_demanded_by_name(key: str) -> None:
    text = "".join(line for line in USERS.splitlines(True) if not line.startswith(f"{key}="))
    with pytest.raises(MonitorError, match=rf"^ERROR: /srv/data/monitor-loop.env: {key} is missing - run monitor-loop"):
        parse(text)


def test_L47_the_first_missing_key_is_named() -> None:
    with pytest.raises(MonitorError, match="MONITOR_SESSION_ID is missing"):
        parse("")
    with pytest.raises(MonitorError, match="MONITOR_MODE is 'x', not validator or watcher"):
        parse(with_line("MONITOR_MODE", "x").replace("MONITOR_BINARY", "OTHER"))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("MONITOR_SESSION_ID", value) for value in ("", ".", "..", "mainnet", "a/b", "'a b'", "ä", "a" * 256, "~")),
        *(("MONITOR_MODE", value) for value in ("", "Validator", "full", "watcher,validator")),
        *(("MONITOR_SESSION_ID", value) for value in ("issues", "node.json", "monitor-loop.env", ".commit-journal")),
        ("MONITOR_CONFIG", ""),
        *(
            ("MONITOR_ADMIN_PORT", value)
            for value in ("", "0", "65536", "-1", "+1", "1e3", "08000", "1 2", "\u0661", "x")
        ),
        *(("MONITOR_RPC_PORT", value) for value in ("0", "70000", "none")),
        ("MONITOR_RUN_FLAGS", '"--validator \\""'),
        *(("MONITOR_BINARY", value) for value in ("", "henyey", "$HOME/henyey", "'un", '"closed', "a\\")),
        *(
            ("MONITOR_CONFIG", value)
            for value in ("a;b", "a b", " a", "$(touch x)", "a&", "a|b", "'a\rb'", "'a\x1bb'", "a\x85")
        ),
    ],
)
def test_a_malformed_value_is_refused_by_key(key: str, value: str) -> None:
    with pytest.raises(
        MonitorError, match=rf"^ERROR: /srv/data/monitor-loop.env: {key} is .*monitor-loop start$"
    ) as caught:
        parse(with_line(key, value))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("MONITOR_REPO=henyey", "MONITOR_REPO"),
        ("MONITOR_CADENCE_SECONDS=0", "MONITOR_CADENCE_SECONDS"),
        ("MONITOR_CADENCE_SECONDS=1200s", "MONITOR_CADENCE_SECONDS"),
        ("MONITOR_CADENCE_SECONDS=999999999999999999999", "MONITOR_CADENCE_SECONDS"),
        ("MONITOR_TRACKER=jira", "MONITOR_TRACKER"),
        ("MONITOR_LAUNCH_PREFIX='\"-m x'", "MONITOR_LAUNCH_PREFIX"),
        ("MONITOR_GH='a\x01b'", "MONITOR_GH"),
        ("MINE='a\x01b'", "MINE"),
        ("not an assignment", "line 8"),
        ("touch /tmp/pwned", "line 8"),
    ],
)
def test_a_malformed_line_of_ours_is_refused_by_key(line: str, key: str) -> None:
    with pytest.raises(MonitorError, match=key):
        parse(f"{USERS}{line}\n")


def test_empty_keys_of_ours_mean_their_default() -> None:
    ours = "MONITOR_REPO=\nMONITOR_CADENCE_SECONDS=''\nMONITOR_TRACKER=\"\"\nMONITOR_LAUNCH_PREFIX=\n"
    assert parse(USERS + ours) == SESSION


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        ("plain", "plain"),
        ("'a  b'", "a  b"),
        ('"a \\" \\$ \\` \\\\ \\n"', 'a " $ ` \\ \\n'),
        ("'it'\"'\"'s'", "it's"),
        ("a\\ b", "a b"),
        ("a'b'\"c\"d", "abcd"),
        ("x   # a remark", "x"),
        ("x#y", "x#y"),
        ("'$HOME'", "$HOME"),
        ("*?[a]{b,c}", "*?[a]{b,c}"),
        ("äöü→", "äöü→"),
    ],
)
def test_values_are_read_as_sh_reads_them(tmp_path: Path, raw: str, value: str) -> None:
    (tmp_path / "env").write_text(f"MONITOR_INVESTIGATOR={raw}\n")
    assert sourced(tmp_path / "env", ["MONITOR_INVESTIGATOR"]) == [value]
    assert parse(f"{USERS}MONITOR_INVESTIGATOR={raw}\n").investigator == value


@pytest.mark.parametrize("raw", ["~/h/henyey", "'~/h/henyey'", '"~/h/henyey"'])
def test_a_leading_tilde_is_home(raw: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/op")
    assert parse(with_line("MONITOR_BINARY", raw)).binary == Path("/home/op/h/henyey")


def test_only_a_leading_tilde_of_a_path_is_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/op")
    text = f"{USERS}A=x~/y\nB='~/y'\nC=~/y\nD=~\nE=~x\n"
    assert dict(parse(text).extra) == {"A": "x~/y", "B": "~/y", "C": "/home/op/y", "D": "/home/op", "E": "~x"}


def test_L47_nothing_is_ever_executed(tmp_path: Path) -> None:
    mark = tmp_path / "pwned"
    text = f'{USERS}A=$(touch {mark})\nB="`touch {mark}`"\nC=x; touch {mark}\nMONITOR_PROJECT="$(touch {mark})"\n'
    session = parse(text)
    assert session.project == f"$(touch {mark})"
    assert dict(session.extra)["A"] == f"$(touch {mark})"
    (tmp_path / "env").write_text(envfile.render(session))
    assert sourced(tmp_path / "env", ["A", "MONITOR_PROJECT"]) == [f"$(touch {mark})"] * 2
    assert not mark.exists()


def test_unknown_keys_comments_and_exports() -> None:
    text = f"# mine\n\n   \n{USERS}export PATH=/usr/bin:/bin\n"
    session = parse(text)
    assert session.extra == (("PATH", "/usr/bin:/bin"),)
    assert parse(envfile.render(session)) == session


def test_the_last_assignment_counts() -> None:
    assert parse(f"{USERS}MONITOR_MODE=watcher\n").mode is Mode.WATCHER


def test_the_data_root_in_the_file_does_not_move_the_session() -> None:
    session = parse(f"{USERS}MONITOR_DATA_ROOT=/somewhere/else\n")
    assert session.data == DATA
    assert session.extra == ()


# --- writing -----------------------------------------------------------------------------------------------------

WORDS = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=30).filter(lambda text: text[:1] != "~")
ARGUMENTS = st.lists(st.text("abc-=/. '\"$", min_size=1, max_size=8).filter(lambda text: text[:1] != "~"), max_size=3)
PATHS = st.text(st.characters(exclude_categories=("Cc", "Cs")), max_size=30).map(lambda text: Path(f"/{text}"))
KEYS = st.from_regex(r"[A-Z][A-Z0-9_]{0,8}", fullmatch=True).map("X_".__add__)

SESSIONS = st.builds(
    Session,
    data=st.just(DATA),
    id=st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,7}", fullmatch=True).filter(envfile.is_session_id),
    mode=st.sampled_from(Mode),
    config=WORDS.filter(bool),
    admin_port=st.integers(1, 65535),
    rpc_port=st.none() | st.integers(1, 65535),
    run_flags=ARGUMENTS.map(shlex.join),
    binary=PATHS,
    repo=PATHS,
    cadence_seconds=st.integers(1, 7 * 86400),
    launch_prefix=ARGUMENTS.map(shlex.join),
    github_repo=WORDS,
    project=WORDS,
    operator=WORDS,
    tracker=st.sampled_from(["github", "directory"]),
    board_command=WORDS,
    investigator=WORDS,
    radar_url=WORDS,
    gh=WORDS,
    git=WORDS,
    cargo=WORDS,
    extra=st.dictionaries(KEYS, WORDS, max_size=3).map(lambda own: tuple(own.items())),
)


@examples(40)
@given(SESSIONS)
def test_what_is_written_is_read_back(session: Session) -> None:
    assert parse(envfile.render(session)) == session


def test_sh_reads_the_same_values(tmp_path: Path) -> None:
    hostile = 'it\'s "$HOME" `id` $(id) \\ * ~ # ; & | < > ( ) é'
    session = msgspec.structs.replace(
        SESSION,
        config=hostile,
        repo=Path(f"/{hostile}"),
        launch_prefix="-I -m monitor_loop.embedded",
        rpc_port=None,
        investigator=hostile,
        extra=(("MINE", hostile), ("EMPTY", "")),
    )
    (tmp_path / "env").write_text(envfile.render(session))
    keys = ["MONITOR_CONFIG", "MONITOR_REPO", "MONITOR_RPC_PORT", "MONITOR_ADMIN_PORT", "MONITOR_LAUNCH_PREFIX"]
    values = [hostile, f"/{hostile}", "", "11627", "-I -m monitor_loop.embedded", hostile, hostile, ""]
    assert sourced(tmp_path / "env", [*keys, "MONITOR_INVESTIGATOR", "MINE", "EMPTY"]) == values


@pytest.mark.parametrize("value", ["a\nMONITOR_MODE=x", "a\rb", "\x00", "\x1b[2J", "\udcff", "\x9b"])
def test_no_value_can_add_a_line(value: str) -> None:
    for session in (
        msgspec.structs.replace(SESSION, config=value),
        msgspec.structs.replace(SESSION, extra=(("MINE", value),)),
    ):
        with pytest.raises(MonitorError, match="control characters"):
            envfile.render(session)


@pytest.mark.parametrize("key", ["a b", "", "1A", "A\nB", "A;B", "Ä"])
def test_no_key_can_add_a_command(key: str) -> None:
    with pytest.raises(MonitorError):
        envfile.render(msgspec.structs.replace(SESSION, extra=((key, "x"),)))


def test_an_extra_key_cannot_hide_a_known_one() -> None:
    session = msgspec.structs.replace(SESSION, extra=(("MONITOR_MODE", "watcher"),))
    assert parse(envfile.render(session)) == SESSION


@given(
    st.text() | st.lists(st.sampled_from([*USERS.splitlines(), "A='", 'B="\\', "=", "#", "\x00", "é=1"])).map("\n".join)
)
def test_hostile_text_is_a_session_or_a_refusal(text: str) -> None:
    with contextlib.suppress(MonitorError):
        assert parse(envfile.render(parse(text))) == parse(text)


@given(st.integers(0, len(USERS)), st.characters())
def test_a_damaged_file_is_a_session_or_a_refusal(at: int, char: str) -> None:
    for text in (USERS[:at], USERS[:at] + char + USERS[at + 1 :]):
        with contextlib.suppress(MonitorError):
            assert parse(envfile.render(parse(text))) == parse(text)


# --- on disk -----------------------------------------------------------------------------------------------------


def test_write_and_read(tmp_path: Path) -> None:
    session = msgspec.structs.replace(SESSION, data=DataRoot(tmp_path))
    envfile.write(session)
    assert envfile.read(DataRoot(tmp_path)) == session


def test_a_missing_file_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(MonitorError) as caught:
        envfile.read(DataRoot(tmp_path))
    assert str(caught.value) == f"ERROR: {tmp_path}/monitor-loop.env not found - run monitor-loop start first"


@pytest.mark.parametrize("content", [b"\xff\xfe", b"A" * (2**20 + 1)])
def test_an_unreadable_file_is_a_refusal(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "monitor-loop.env").write_bytes(content)
    with pytest.raises(MonitorError, match=r"monitor-loop\.env"):
        envfile.read(DataRoot(tmp_path))


def test_only_a_file_that_is_not_there_is_absent(tmp_path: Path) -> None:
    data = DataRoot(tmp_path)
    assert envfile.find(data) is None
    data.env_file.symlink_to(data.env_file.name)  # of itself
    for read in (envfile.find, envfile.read):
        with pytest.raises(MonitorError, match=r"cannot be read: Too many levels of symbolic links - move it away$"):
            read(data)


def test_an_env_file_of_somebody_else_is_told_from_a_damaged_one() -> None:
    denied = PermissionError(errno.EACCES, "Permission denied")
    assert envfile.unreadable("/data/monitor-loop.env", denied) == (
        "ERROR: /data/monitor-loop.env cannot be read: Permission denied - check its owner and permissions"
    )


# --- the data root -----------------------------------------------------------------------------------------------


def test_the_data_root_is_the_option_else_the_variable_else_home(tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "MONITOR_DATA_ROOT": "~/variable"}
    assert envfile.data_root("~/option", environ).path == tmp_path / "option"
    assert envfile.data_root(None, environ).path == tmp_path / "variable"
    assert envfile.data_root(None, {"HOME": str(tmp_path), "MONITOR_DATA_ROOT": ""}).path == tmp_path / "data"
    assert envfile.data_root("", {"HOME": str(tmp_path)}).path == tmp_path / "data"


def test_the_data_root_is_resolved_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "data").symlink_to("disk")
    monkeypatch.chdir(tmp_path)
    assert envfile.data_root("data/../data", {}).path == tmp_path / "disk"


@pytest.mark.parametrize("option", ["/", "//", "/..", "a\nb"])
def test_some_directories_cannot_be_a_data_root(option: str) -> None:
    with pytest.raises(MonitorError, match="--data-root"):
        envfile.data_root(option, {"HOME": "/home/op"})
