from __future__ import annotations

from monitor_loop.cli import main

main()
