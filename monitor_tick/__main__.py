from __future__ import annotations

from monitor_tick.cli import main

main(prog_name="monitor-tick")
