"""Ending a command by a signal: the first one asks, the second one ends at once."""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

# Ctrl-C, `kill`, a closed terminal or console, a used up CPU limit, and what job schedulers send
# before they kill: all that would end a process without asking it.
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK", "SIGXCPU", "SIGUSR1", "SIGUSR2")
_ENDING = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
# After which an ending signal that was lost is told again, in seconds.
_AGAIN = 0.01
# Those that have no other use, so that none of them can be the one that saves and goes on.
_OWN = [number for number in _ENDING if not number.name.startswith("SIGUSR")]


class Signals:
    """Which ending signal came, if any; `save` is called for the one that asks for a checkpoint."""

    def __init__(self) -> None:
        self.number: int | None = None
        self.save: Callable[[], None] | None = None
        self._again: threading.Timer | None = None

    @property
    def name(self) -> str:
        if self.number in (None, signal.SIGINT):
            return "Ctrl-C"
        return signal.Signals(self.number).name

    @property
    def exit_status(self) -> int:
        return 128 + (self.number or signal.SIGINT)

    def handle(self, number: int, _: FrameType | None) -> None:
        if self._again is not None:
            self.forget_lost()
        elif self.number is not None:
            # Files are written aside and renamed, so there is nothing to clean up.
            os._exit(128 + number)
        self.number = number
        raise Interrupted(self.exit_status)

    def heed_lost(self, raised: sys.UnraisableHookArgs) -> bool:
        """Whether `Interrupted` was raised where nothing can be, as while an object is deleted: it
        comes again soon, when the main thread is elsewhere.
        """
        if not isinstance(raised.exc_value, Interrupted):
            return False
        self._again = threading.Timer(_AGAIN, _thread.interrupt_main, [self.number])
        self._again.start()
        return True

    def forget_lost(self) -> None:
        if self._again is not None:
            self._again.cancel()
            self._again = None

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
    """Turns the ending signals inside the block into `Interrupted`, and puts back what was before.

    One that is ignored, as SIGHUP under nohup, stays so. The signal `saving` calls `save` of what
    the block gets. In another thread than the main one no signal is taken.
    """
    signals = Signals()
    if threading.current_thread() is not threading.main_thread():
        yield signals
        return
    handlers: dict[int, Any] = dict.fromkeys(_heeded(), signals.handle)
    if saving is not None:
        handlers[saving] = signals.handle_save
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    others = sys.unraisablehook
    sys.unraisablehook = lambda raised: signals.heed_lost(raised) or others(raised)
    try:
        yield signals
    finally:
        sys.unraisablehook = others
        signals.forget_lost()
        for number, handler in before.items():
            # None: not set by Python, which cannot put it back.
            if handler is not None:
                signal.signal(number, handler)


def end_at_once() -> None:
    """From now on an ending signal ends the process with its status, with nothing to clean up.

    For a process that is a command of ours, before and after its `interruptible` block.
    """
    for number in _heeded():
        signal.signal(number, lambda number, _: os._exit(128 + number))


def _heeded() -> list[signal.Signals]:
    """The ending signals that nobody ignores, as nohup does SIGHUP."""
    return [number for number in _ENDING if signal.getsignal(number) is not signal.SIG_IGN]


def signal_number(name: str) -> int:
    """The number of the signal called `name`, with or without SIG; ValueError if it is none."""
    full = name.upper() if name.upper().startswith("SIG") else f"SIG{name.upper()}"
    try:
        number = signal.Signals[full]
    except KeyError:
        raise ValueError(f"got {name!r}; expected the name of a signal, as USR1") from None
    if number in _OWN or full in ("SIGKILL", "SIGSTOP"):
        raise ValueError(f"got {name!r}, which ends or stops a run; expected another, as USR1")
    return number
