"""Ending a command by a signal: the first one asks, the second one ends at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

# Ctrl-C, `kill`, and a terminal that is closed.
_ENDING = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


class Signals:
    """Which ending signal came, if any; `save` is called for the one that asks for a checkpoint."""

    def __init__(self) -> None:
        self.number: int | None = None
        self.save: Callable[[], None] | None = None

    @property
    def name(self) -> str:
        if self.number in (None, signal.SIGINT):
            return "Ctrl-C"
        return signal.Signals(self.number).name

    @property
    def exit_status(self) -> int:
        return 128 + (self.number or signal.SIGINT)

    def handle(self, number: int, _: FrameType | None) -> None:
        if self.number is not None:
            # Files are written aside and renamed, so there is nothing to clean up.
            os._exit(128 + number)
        self.number = number
        raise Interrupted(self.exit_status)

    def handle_save(self, number: int, _: FrameType | None) -> None:
        if self.save is not None:
            self.save()


class Interrupted(KeyboardInterrupt):
    """Raised in the main thread by the first signal."""

    def __init__(self, exit_status: int) -> None:
        super().__init__()
        self.exit_status = exit_status


@contextmanager
def interruptible(saving: int | None = None) -> Iterator[Signals]:
    """Turns the ending signals inside the block into `Interrupted`; the handlers stay after it.

    They stay so that a second signal ends a program that is ending already. One that is ignored, as
    SIGHUP under nohup, stays so. The signal `saving` calls `save` of what the block gets.
    """
    signals = Signals()
    if threading.current_thread() is threading.main_thread():
        for number in _ENDING:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, signals.handle)
        if saving is not None:
            signal.signal(saving, signals.handle_save)
    yield signals


def signal_number(name: str) -> int:
    """The number of the signal called `name`, with or without SIG; ValueError if it is none."""
    full = name.upper() if name.upper().startswith("SIG") else f"SIG{name.upper()}"
    try:
        number = signal.Signals[full]
    except KeyError:
        raise ValueError(f"got {name!r}; expected the name of a signal, as USR1") from None
    if number in _ENDING or full in ("SIGKILL", "SIGSTOP"):
        raise ValueError(f"got {name!r}, which ends or stops a run; expected another, as USR1")
    return number
