from __future__ import annotations

import traceback
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor_loop.errors import MonitorError
from monitor_loop.nodeconfig import read_node_config
from monitor_loop.session import NodeConfig

DATA = Path(__file__).parents[1] / "data"
SEED = "SFAKESEED" + ("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567" * 2)[:47]  # the shape of a secret seed
WITH_SEED = (DATA / "validator-mainnet-rpc.toml").read_text().replace("[node]\n", f'[node]\nnode_seed = "{SEED}"\n')


def config_in(directory: Path, text: str) -> Path:
    path = directory / "node.toml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal_of(directory: Path, text: str) -> str:
    with pytest.raises(MonitorError) as caught:
        read_node_config(config_in(directory, text))
    shown = "".join(traceback.format_exception(caught.value))
    assert SEED not in shown
    assert SEED[:12] not in shown
    assert str(caught.value).startswith(f"ERROR: {directory}/node.toml")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_shipped_validator_config() -> None:
    config = read_node_config(DATA / "validator-mainnet-rpc.toml")
    assert config == NodeConfig(
        database=Path("/home/operator/data/mainnet/mainnet.db"),
        buckets=Path("/home/operator/data/mainnet/buckets"),
        http_port=11627,
        rpc_port=8000,
        retention_window=360,
        maintenance_period_seconds=900,
        is_validator=True,
    )
    assert config.lock_file == Path("/home/operator/data/mainnet/mainnet.lock")
    assert config.mainnet == Path("/home/operator/data/mainnet")


def test_the_shipped_watcher_config() -> None:
    config = read_node_config(DATA / "mainnet.toml")
    assert (config.http_port, config.rpc_port, config.is_validator) == (11727, None, False)
    assert (config.maintenance_period_seconds, config.retention_window) == (14400, 2880)


def test_L12_defaults_are_the_nodes_own(tmp_path: Path) -> None:
    config = read_node_config(config_in(tmp_path, '[database]\npath = "/d/mainnet.db"\n'))
    assert config == NodeConfig(
        database=Path("/d/mainnet.db"),
        buckets=Path("/d/buckets"),
        http_port=11626,
        rpc_port=None,
        retention_window=2880,
        maintenance_period_seconds=14400,
        is_validator=False,
    )


def test_what_is_switched_off(tmp_path: Path) -> None:
    text = '[database]\npath = "/d/m.db"\n[http]\nenabled = false\n[rpc]\nport = 9\n[maintenance]\nenabled = false\n'
    config = read_node_config(config_in(tmp_path, text))
    assert (config.http_port, config.rpc_port, config.maintenance_period_seconds) == (None, None, 0)


def test_an_enabled_rpc_without_a_port_is_on_8000(tmp_path: Path) -> None:
    config = read_node_config(config_in(tmp_path, '[database]\npath = "/d/m.db"\n[rpc]\nenabled = true\n'))
    assert config.rpc_port == 8000


def test_relative_paths_are_relative_to_where_the_node_runs(tmp_path: Path) -> None:
    text = '[database]\npath = "data/m.db"\n[buckets]\ndirectory = "data/b"\n'
    (tmp_path / "configs").mkdir()
    path = config_in(tmp_path / "configs", text)
    assert read_node_config(path, Path("/run/here")).database == Path("/run/here/data/m.db")
    assert read_node_config(path, Path("/run/here")).buckets == Path("/run/here/data/b")
    assert read_node_config(path).database == tmp_path / "configs/data/m.db"
    (tmp_path / ".git").mkdir()
    assert read_node_config(path).database == tmp_path / "data/m.db"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MonitorError, match=r"node\.toml not found"):
        read_node_config(tmp_path / "node.toml")


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('path = "/home', 'where = "/home', "[database] path is missing"),
        ('path = "/home/operator/data/mainnet/mainnet.db"', "path = 7", "[database] path must be a path"),
        ('path = "/home/operator/data/mainnet/mainnet.db"', 'path = ""', "[database] path"),
        ('path = "/home/operator/data/mainnet/mainnet.db"', 'path = "a\\u0000"', "[database] path"),
        ('directory = "/home/operator/data/mainnet/buckets"', "directory = []", "[buckets] directory"),
        ("port = 11627", "port = 0", "[http] port must be a whole number, 1-65535"),
        ("port = 11627", "port = 65536", "[http] port"),
        ("port = 11627", "port = true", "[http] port"),
        ("port = 11627", 'port = "11627"', "[http] port"),
        ("port = 11627", 'enabled = "no"', "[http] enabled must be true or false"),
        ("port = 8000", "port = 8000.0", "[rpc] port"),
        ("enabled = true\nport", "enabled = 1\nport", "[rpc] enabled"),
        ("retention_window = 360", "retention_window = -1", "[rpc] retention_window"),
        ("retention_window = 360", f"retention_window = {2**60}", "[rpc] retention_window"),
        ("period_secs = 900", "period_secs = 0", "[maintenance] period_secs"),
        ("enabled = true\nperiod", "enabled = 0\nperiod", "[maintenance] enabled"),
        ("is_validator = true", "is_validator = 1", "[node] is_validator"),
        ("[database]", "[[database]]", "database must be a table [database]"),
        ("[http]", "[x]", ""),
    ],
)
def test_a_broken_key_is_named_and_the_seed_never(tmp_path: Path, old: str, new: str, named: str) -> None:
    text = WITH_SEED.replace(old, new, 1)
    assert text != WITH_SEED
    if named:
        assert named in refusal_of(tmp_path, text)
    else:
        assert read_node_config(config_in(tmp_path, text)).http_port == 11626


@pytest.mark.parametrize("table", ["node", "database", "buckets", "http", "rpc", "maintenance"])
def test_a_table_that_is_the_seed_is_not_shown(tmp_path: Path, table: str) -> None:
    rest = "" if table == "database" else '[database]\npath = "/d/m.db"\n'
    assert f"{table} must be a table" in refusal_of(tmp_path, f'{table} = "{SEED}"\n{rest}')


@pytest.mark.parametrize(
    "text",
    [
        f'node_seed = "{SEED}',
        f"node_seed = {SEED}",
        f"{SEED} = {SEED} = 1",
        f'a = "{SEED}"\na = "{SEED}"',
        f"[{SEED}]\n[{SEED}]",
        f'a = "{SEED}\\q"',
        f"a = [{SEED}",
        f'a = "{SEED}"\nb = ' + "[" * 100_000,
    ],
)
def test_text_that_is_no_toml_shows_its_line_and_nothing_of_it(tmp_path: Path, text: str) -> None:
    assert "is not valid TOML" in refusal_of(tmp_path, text)


def test_a_syntax_error_says_where(tmp_path: Path) -> None:
    assert "at line 2 - mend the file" in refusal_of(tmp_path, f'node_seed = "{SEED}"\nport = = 1\n')


def test_what_is_no_text_shows_nothing(tmp_path: Path) -> None:
    (tmp_path / "node.toml").write_bytes(f'node_seed = "{SEED}"\n'.encode() + b"\xff")
    with pytest.raises(MonitorError, match="is not valid TOML") as caught:
        read_node_config(tmp_path / "node.toml")
    assert SEED not in "".join(traceback.format_exception(caught.value))


def test_an_endless_config_is_refused(tmp_path: Path) -> None:
    assert "larger than" in refusal_of(tmp_path, f"# {SEED}\n" + "#" * 2**20)


@given(st.integers(0, len(WITH_SEED) - 1), st.text(max_size=3))
def test_any_damage_is_a_config_or_a_refusal_without_the_seed(
    tmp_path_factory: pytest.TempPathFactory, at: int, text: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.toml"
    path.write_bytes((WITH_SEED[:at] + text + WITH_SEED[at + 1 :]).encode())
    try:
        shown = str(read_node_config(path))
    except MonitorError as refusal:
        shown = "".join(traceback.format_exception(refusal))
    assert SEED[:12] not in shown
