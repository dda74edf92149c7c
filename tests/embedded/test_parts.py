"""The parts of the embedded node that need no process."""

from __future__ import annotations

import base64
import random
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from monitor_loop.embedded import watchdog
from monitor_loop.embedded.breaking import Breaking
from monitor_loop.embedded.catalogue import load_catalogue
from monitor_loop.embedded.config import read_config
from monitor_loop.embedded.faults import FAULTS, clear_faults, make_fault, planned_fault, read_faults, set_fault
from monitor_loop.embedded.keys import public_key
from monitor_loop.embedded.log import Display, json_line, text_line
from monitor_loop.embedded.metrics import Histogram, Registry, number
from monitor_loop.embedded.network import Network
from monitor_loop.embedded.setup import free_ports
from monitor_loop.embedded.storage import DatabaseLocked, Storage
from monitor_loop.errors import MonitorError
from tests.embedded_fixture import prepared_session

DATA = Path(__file__).parent.parent / "data"
STAMP = "2026-05-09T03:40:04.224988Z"


def test_a_text_line_quotes_strings_and_leaves_displayed_values_bare() -> None:
    fields = {"from": Display("Validating"), "to": Display("Catching Up"), "kind": "heap", "on": True, "n": 3}
    line = text_line(STAMP, "INFO", "henyey_app::app", "State transition", fields)
    assert (
        line
        == f'{STAMP}  INFO henyey_app::app: State transition from=Validating to=Catching Up kind="heap" on=true n=3'
    )


def test_an_error_line_has_one_space_before_its_level() -> None:
    assert text_line(STAMP, "ERROR", "t", "It broke", {}) == f"{STAMP} ERROR t: It broke"


def test_a_debug_value_escapes_its_tab() -> None:
    assert text_line(STAMP, "INFO", "t", "m", {"state": "S:\tS"}).endswith('state="S:\\tS"')


def test_a_json_line_nests_its_fields() -> None:
    line = json_line(STAMP, "INFO", "t", "Heartbeat", {"heartbeat": True, "rss_mb": "7588"})
    fields = '{"message":"Heartbeat","heartbeat":true,"rss_mb":"7588"}'
    assert line == f'{{"timestamp":"{STAMP}","level":"INFO","fields":{fields},"target":"t"}}'


def test_a_public_key_is_a_strkey_and_the_same_for_the_same_seed() -> None:
    key = public_key(7, "node")
    assert key == public_key(7, "node") != public_key(8, "node")
    assert len(key) == 56
    assert key.startswith("G")
    assert len(base64.b32decode(key)) == 35


def test_a_network_closes_on_time_and_jumps() -> None:
    network = Network(100, 1000.0, speed=10.0)
    assert [network.tip(now) for now in (1000.0, 1000.49, 1000.51)] == [100, 100, 101]
    assert network.closed_at(101) == 1000.5
    network.jump(20)
    assert network.tip(1000.51) == 121


def test_numbers_are_printed_without_exponent() -> None:
    assert [number(value) for value in (7.0, 0.5, 5.2e-05, 6397046784.0)] == ["7", "0.5", "0.000052", "6397046784"]


def test_a_spread_histogram_holds_every_sample_once() -> None:
    histogram = Histogram(("0.001", "0.01", "0.1", "+Inf"))
    histogram.spread(mean=0.01, sigma=0.35, samples=1000)
    histogram.observe(50.0)
    assert sum(histogram.counts) == 1001
    assert histogram.counts[-1] == 1
    assert histogram.counts[1] > histogram.counts[2] > histogram.counts[0]


def _families_of(text: str) -> dict[str, str]:
    return {line.split()[2]: line.split()[3] for line in text.splitlines() if line.startswith("# TYPE")}


@pytest.mark.parametrize(("scrape", "is_validator"), [("healthy.prom", True), ("healthy_watcher.prom", False)])
def test_the_catalogue_holds_every_family_of_the_real_scrape(scrape: str, is_validator: bool) -> None:
    shown = {metric.name: metric.kind for metric in load_catalogue(is_validator=is_validator)}
    assert len(shown) == 225
    assert _families_of((DATA / scrape).read_text()).items() <= shown.items()


def test_before_the_restore_there_is_what_a_fresh_scrape_shows() -> None:
    registry = Registry(load_catalogue(is_validator=True), random.Random(1))
    families = _families_of(registry.render(random.Random(1), frozenset(), {}))
    assert families == _families_of((DATA / "fresh_start.prom").read_text())


def test_the_order_of_families_and_series_differs_between_scrapes() -> None:
    registry = Registry(load_catalogue(is_validator=True), random.Random(1))
    first, second = (registry.render(random.Random(seed), frozenset(), {}) for seed in (1, 2))
    assert first != second
    assert sorted(first.splitlines()) == sorted(second.splitlines())


def test_an_exposition_has_counters_then_gauges_then_histograms_and_parses() -> None:
    registry = Registry(load_catalogue(is_validator=True), random.Random(1))
    for _ in range(100):
        registry.ledger_closed(slowness=1.0)
    text = registry.render(random.Random(1), frozenset(), {})
    kinds = list(_families_of(text).values())
    assert kinds == sorted(kinds)
    assert len(list(text_string_to_metric_families(text))) == len(kinds)
    assert text.endswith("\n\n")


def test_a_quiet_day_has_the_p99_of_the_real_node() -> None:
    registry = Registry(load_catalogue(is_validator=True), random.Random(1))
    for _ in range(300):
        registry.ledger_closed(slowness=1.0)
    text = registry.render(random.Random(1), frozenset(), {})
    for name, limit in (("handle_complete", "0.5"), ("dispatch_to_join", "5"), ("commit", "0.5"), ("tx_exec", "1")):
        line = f'henyey_ledger_close_{name}_seconds_bucket{{le="{limit}"}} '
        assert int(text.split(line)[1].split("\n")[0]) >= 297


def test_an_unknown_metric_is_refused() -> None:
    registry = Registry(load_catalogue(is_validator=True), random.Random(1))
    with pytest.raises(KeyError):
        registry.gauge("stellar_no_such_gauge", 1.0)


# --- faults ---


def test_every_fault_says_what_it_does_in_one_line() -> None:
    assert all(kind.text and "\n" not in kind.text for kind in FAULTS.values())


def test_faults_replace_their_like_and_leave_others(tmp_path: Path) -> None:
    set_fault(tmp_path, "lag", ledgers=5)
    set_fault(tmp_path, "slow", path="/info", seconds=1)
    set_fault(tmp_path, "slow", path="rpc", seconds=2)
    set_fault(tmp_path, "lag", ledgers=40)
    faults = read_faults(tmp_path / "faults.json")
    assert [one.identity for one in faults] == [("slow", "/info"), ("slow", "rpc"), ("lag", "")]
    assert faults[-1].number("ledgers") == 40
    clear_faults(tmp_path, "slow")
    assert [one.name for one in read_faults(tmp_path / "faults.json")] == ["lag"]
    clear_faults(tmp_path)
    assert read_faults(tmp_path / "faults.json") == ()


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("earthquake", {}, "no fault is called 'earthquake'"),
        ("lag", {"meters": 3}, "it takes ledgers, seconds"),
        ("lag", {"ledgers": "many"}, "ledgers='many' is not a whole number"),
        ("counter", {"name": "stellar_no_such_total"}, "is no metric"),
        ("gauge", {"name": "stellar_peer_count", "value": "few"}, "value='few' is not a number"),
        ("missing", {}, "name=METRIC is needed"),
    ],
)
def test_a_fault_that_cannot_be_is_refused_by_name(name: str, arguments: dict[str, str | int], said: str) -> None:
    with pytest.raises(MonitorError, match=said):
        make_fault(name, arguments)


def test_a_damaged_faults_file_breaks_nothing(tmp_path: Path) -> None:
    file = tmp_path / "faults.json"
    for content in (b"", b"{", b'[{"name":"earthquake"}]', b"\xff"):
        file.write_bytes(content)
        assert read_faults(file) == ()


def test_what_happens_once_is_taken_from_the_file_and_not_repeated(tmp_path: Path) -> None:
    set_fault(tmp_path, "raw_line", text="a")
    set_fault(tmp_path, "raw_line", text="b")
    set_fault(tmp_path, "stall")
    breaking = Breaking(tmp_path / "faults.json", (), 1.0)
    breaking.look(0.0)
    breaking.look(0.2)
    assert [one.argument("text") for one in breaking.take_due()] == ["a", "b"]
    assert breaking.take_due() == ()
    relaunched = Breaking(tmp_path / "faults.json", (), 1.0)
    relaunched.look(0.0)
    assert relaunched.take_due() == ()
    assert relaunched.find("stall")


def test_a_scenario_switches_on_and_off_by_the_nodes_clock(tmp_path: Path) -> None:
    planned = (
        planned_fault({"name": "stall", "after_seconds": 10.0, "for_seconds": 20.0}),
        planned_fault({"name": "crash", "after_seconds": 40.0, "arg_signal": 11}),
    )
    breaking = Breaking(tmp_path / "faults.json", planned, speed=10.0)
    seen = []
    for elapsed in (0.0, 1.0, 2.9, 3.0, 4.0, 5.0):
        breaking.look(elapsed)
        seen.append((bool(breaking.find("stall")), len(breaking.take_due())))
    assert seen == [(False, 0), (True, 0), (True, 0), (False, 0), (False, 1), (False, 0)]


class Aborted(Exception):
    pass


def test_a_frozen_node_that_gets_no_processor_leaves_no_step_out(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter((0.0, 1.0, 200.0))
    told: list[str] = []

    def aborts() -> None:
        raise Aborted

    def tells(_target: str, message: str, _fields: object) -> None:
        told.append(message.partition(":")[2].split("!")[0].strip())

    monkeypatch.setattr(watchdog, "abort", aborts)
    monkeypatch.setattr(watchdog, "time", SimpleNamespace(monotonic=lambda: next(clock), sleep=lambda _: None))
    breaking = SimpleNamespace(find=lambda _: True, look=lambda _: None)
    config = SimpleNamespace(speed=1.0, watchdog_abort_seconds=120.0)
    tracing = SimpleNamespace(warn=tells, error=tells)
    node = SimpleNamespace(breaking=breaking, config=config, tracing=tracing, uptime_seconds=0.0, frozen=False)
    with pytest.raises(Aborted):
        watchdog.stay_frozen(node)  # type: ignore[arg-type]  # as much of a node as it needs
    assert told == [
        "Event loop slow (>15s since last tick)",
        "Event loop appears frozen",
        "Thread state summary",
        "Thread wchan summary",
        "Auto-aborting after 200s freeze at phase=6",
    ]


# --- setup ---


def test_the_config_is_read_back_as_it_was_prepared(tmp_path: Path) -> None:
    planned = (planned_fault({"name": "error_line", "after_seconds": 3.0, "arg_text": 'it "broke" \\ \t—'}),)
    session = prepared_session(tmp_path / 'a "strange" dir', speed=3.0, seed=9, scenario=planned)
    config = read_config(session.config_file)
    assert config.scenario == planned
    assert config.database == session.data.path / "mainnet" / "mainnet.db"
    assert (config.http_port, config.rpc_port) == (session.admin_port, session.rpc_port)
    assert (config.speed, config.seed) == (3.0, 9)


def test_a_watcher_has_no_rpc(tmp_path: Path) -> None:
    session = prepared_session(tmp_path, watcher=True)
    assert session.rpc_port is None
    assert read_config(session.config_file).rpc_port is None


def test_a_config_that_is_none_is_refused_by_its_name(tmp_path: Path) -> None:
    file = tmp_path / "embedded.toml"
    with pytest.raises(MonitorError, match=r"embedded\.toml: No such file"):
        read_config(file)
    for content in ("[node]\n", "[node", ""):
        file.write_text(content)
        with pytest.raises(MonitorError, match=r"Failed to parse config file .*embedded\.toml"):
            read_config(file)


def test_free_ports_are_distinct() -> None:
    assert len(set(free_ports(5))) == 5


def test_a_held_lock_is_refused_in_the_nodes_words(tmp_path: Path) -> None:
    first, second = (Storage(tmp_path / "mainnet.db", tmp_path / "buckets") for _ in range(2))
    first.lock()
    with pytest.raises(DatabaseLocked, match=r"database is locked \(lockfile: .*/mainnet.lock\)"):
        second.lock()


def test_a_database_is_empty_then_remembers(tmp_path: Path) -> None:
    storage = Storage(tmp_path / "mainnet.db", tmp_path / "buckets")
    assert storage.open() is None
    assert storage.open() is None
    storage.save(100, 1778298004)
    assert storage.open() == (100, 1778298004)
    assert (tmp_path / "mainnet.db-wal").exists()


def test_only_the_newest_buckets_stay(tmp_path: Path) -> None:
    storage = Storage(tmp_path / "mainnet.db", tmp_path / "buckets")
    storage.open()
    for ledger in range(11):
        storage.add_bucket(1, ledger)
    assert storage.drop_stale_buckets() == 3
    assert storage.drop_stale_buckets() == 0
