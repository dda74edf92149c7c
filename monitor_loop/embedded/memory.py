"""The memory the embedded node claims to use: one model behind the log's reports and the jemalloc gauges."""

from __future__ import annotations

import msgspec

from monitor_loop.embedded.log import NodeLog, Value

_TARGET = "henyey_ledger::memory_report"
_MB = 1 << 20

# name, MB, entries, kind, in the node's order: a mainnet validator after a day (node contract, 2.3).
_COMPONENTS = (
    ("soroban_data", 541.3, 2104417, "heap"),
    ("soroban_code", 511.8, 6214, "heap"),
    ("offers", 904.6, 1861022, "heap"),
    ("bucket_list_heap", 497.9, 0, "heap"),
    ("bucket_list_mmap", 10731.5, 0, "mmap"),
    ("bucket_list_cache", 611.2, 0, "heap"),
    ("module_cache", 1893.4, 6214, "heap"),
    ("executor_state", 237.7, 0, "heap"),
    ("executor_offers", 0.0, 0, "heap"),
    ("hot_archive_heap", 44.6, 0, "heap"),
    ("hot_archive_mmap", 311.9, 0, "mmap"),
)
_ALLOCATED_MB = 6101
_FILE_RSS_MB = 384
_RETAINED_MB = 2307
_GROWING = "bucket_list_cache"


class MemoryClaim(msgspec.Struct, frozen=True, kw_only=True):
    """`growth_mb` sits in one component, as a real leak would; `fragmentation_pct` is resident above allocated."""

    ledger: int
    growth_mb: int
    fragmentation_pct: float

    @property
    def allocated_mb(self) -> int:
        return _ALLOCATED_MB + self.growth_mb

    @property
    def resident_mb(self) -> int:
        return round(self.allocated_mb * (1 + self.fragmentation_pct / 100))

    def components(self) -> list[tuple[str, float, int, str]]:
        return [
            (name, mb + (self.growth_mb if name == _GROWING else 0), entries, kind)
            for name, mb, entries, kind in _COMPONENTS
        ]


def report_memory(tracing: NodeLog, claim: MemoryClaim) -> None:
    components = claim.components()
    heap, mmap = (round(sum(mb for _, mb, _, kind in components if kind == wanted)) for wanted in ("heap", "mmap"))
    unaccounted = claim.allocated_mb - heap
    resident = claim.resident_mb
    summary: dict[str, Value] = {
        "memory_report": True,
        "ledger_seq": claim.ledger,
        "rss_mb": str(resident + _FILE_RSS_MB),
        "anon_rss_mb": str(resident),
        "file_rss_mb": str(_FILE_RSS_MB),
        "jemalloc_allocated_mb": str(claim.allocated_mb),
        "jemalloc_resident_mb": str(resident),
        "fragmentation_pct": f"{claim.fragmentation_pct:.1f}",
        "heap_components_mb": str(heap),
        "mmap_mb": str(mmap),
        "unaccounted_mb": str(abs(unaccounted)),
        "unaccounted_sign": "+" if unaccounted >= 0 else "-",
    }
    tracing.info(_TARGET, "Memory report summary", summary)
    for name, mb, entries, kind in components:
        fields: dict[str, Value] = {"ledger_seq": claim.ledger, "component": name, "mb": f"{mb:.1f}"}
        tracing.info(_TARGET, "Memory report component", {**fields, "entry_count": entries, "kind": kind})


def report_startup(tracing: NodeLog) -> None:
    """A line with the report's field names and without its marker: a reader must not take it for one."""
    fields: dict[str, Value] = {"phase": "before_cache_scan", "rss_mb": "912", "jemalloc_allocated_mb": "611"}
    more: dict[str, Value] = {"jemalloc_resident_mb": "884", "fragmentation_pct": "44.7"}
    tracing.info(_TARGET, "Startup memory checkpoint", {**fields, **more})


def gauges_of(claim: MemoryClaim) -> tuple[tuple[str, float], ...]:
    allocated, resident = claim.allocated_mb * _MB, claim.resident_mb * _MB
    return (
        ("henyey_jemalloc_allocated_bytes", allocated),
        ("henyey_jemalloc_active_bytes", int(allocated * 1.094)),
        ("henyey_jemalloc_resident_bytes", resident),
        ("henyey_jemalloc_mapped_bytes", int(resident * 1.019)),
        ("henyey_jemalloc_retained_bytes", _RETAINED_MB * _MB),
        ("henyey_jemalloc_fragmentation_pct", claim.fragmentation_pct),
    )
