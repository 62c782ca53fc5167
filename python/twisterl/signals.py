"""Ending a command by Ctrl-C or SIGTERM: the first one asks, the second one ends at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Signals:
    """Which signal came, if any."""

    def __init__(self) -> None:
        self.number: int | None = None

    @property
    def name(self) -> str:
        return "Ctrl-C" if self.number in (None, signal.SIGINT) else "SIGTERM"

    @property
    def exit_status(self) -> int:
        return 128 + (self.number or signal.SIGINT)

    def handle(self, number: int, _: FrameType | None) -> None:
        if self.number is not None:
            # Files are written aside and renamed, so there is nothing to clean up.
            os._exit(128 + number)
        self.number = number
        raise Interrupted(self.exit_status)


class Interrupted(KeyboardInterrupt):
    """Raised in the main thread by the first signal."""

    def __init__(self, exit_status: int) -> None:
        super().__init__()
        self.exit_status = exit_status


@contextmanager
def interruptible() -> Iterator[Signals]:
    """Turns SIGINT and SIGTERM inside the block into `Interrupted`; the handlers stay after it.

    They stay so that a second signal ends a program that is ending already.
    """
    signals = Signals()
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signals.handle)
    yield signals
