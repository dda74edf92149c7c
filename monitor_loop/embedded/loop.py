"""The node's event loop: timers, and signals that end a wait at once."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable


class EventLoop:
    """Runs in the main thread, where Python delivers signals. `stopping` is set by SIGTERM, SIGINT or `stop`."""

    def __init__(self) -> None:
        self.stopping = False
        self.received = ""
        self._timers: list[_Timer] = []
        self._readable, self._writable = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def catch_signals(self) -> None:
        signal.set_wakeup_fd(self._writable, warn_on_full_buffer=False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def stop(self) -> None:
        """From any thread."""
        self.stopping = True
        os.write(self._writable, b"s")

    def every(self, action: Callable[[], float], first_after: float = 0.0) -> None:
        """Run the action, and again after as many seconds as it returns."""
        self._timers.append(_Timer(action, time.monotonic() + first_after))

    def run(self) -> None:
        while not self.stopping:
            now = time.monotonic()
            for timer in self._timers:
                if timer.due <= now and not self.stopping:
                    timer.due = now + timer.action()
            self.pause(min(timer.due for timer in self._timers) - time.monotonic())

    def pause(self, seconds: float) -> None:
        """Wait, at most until the next signal."""
        if seconds > 0 and not self.stopping:
            ready, _, _ = select.select([self._readable], [], [], seconds)
            if ready:
                os.read(self._readable, 512)

    def sleep(self, seconds: float) -> None:
        """Wait for all of it, unless the node is to stop."""
        end = time.monotonic() + seconds
        while not self.stopping and time.monotonic() < end:
            self.pause(end - time.monotonic())

    def _on_signal(self, number: int, _frame: object) -> None:
        self.received = signal.Signals(number).name
        self.stopping = True


class _Timer:
    def __init__(self, action: Callable[[], float], due: float) -> None:
        self.action = action
        self.due = due
