"""Standard streams that take whatever a command writes: any encoding, closed, full, or a pipe.

A process calls `prepare` before its work and `finish` after it, or `run`, which does both; nothing
that was done is lost to a stream, and what could not be written is told by the exit status.
"""

from __future__ import annotations

import codecs
import contextlib
import os
import stat
import sys
from collections.abc import Callable, Iterator
from typing import TextIO

# What stands for a character that an encoding lacks, where it is no letter.
_TWINS = {
    **dict.fromkeys("┌┬┐├┼┤└┴┘╭╮╰╯", "+"),
    **dict.fromkeys("─━╸╺", "-"),
    **dict.fromkeys("│┃", "|"),
    **dict(zip("▁▂▃▄▅▆▇█", "_.:-=+*#", strict=True)),
    "×": "x",
    "µ": "u",
    "≤": "<=",
    "≥": ">=",
    "…": "...",
    "–": "-",
    "—": "-",
    "·": ".",
    "→": "->",
}
_HANDLER = "twisterl"


def prepare() -> None:
    """Makes the standard streams of this process fit to be written to."""
    for descriptor in (1, 2):
        with contextlib.suppress(OSError):
            if stat.S_ISFIFO(os.fstat(descriptor).st_mode) and hasattr(os, "set_blocking"):
                # A pipe that is full for a moment makes wait, not fail.
                os.set_blocking(descriptor, True)
    codecs.register_error(_HANDLER, _escaped)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            # It gets the number that is free, which else a file of the run would get.
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace" if mode == "r" else _HANDLER)


def run(main: Callable[[], int]) -> int:
    """The exit status of a process that is `main`, which returns one."""
    prepare()
    try:
        status = main()
    except BrokenPipeError:
        status = 0
    except OSError as error:
        complain(f"error: {error.filename or 'standard output'}: {error.strerror or error}")
        status = 1
    return finish(status)


@contextlib.contextmanager
def until_nobody_reads() -> Iterator[None]:
    """Inside, what is printed ends with its reader, and the exit status is as if it had not."""
    try:
        yield
    except BrokenPipeError:
        discard(sys.stdout)


def complain(text: str) -> None:
    """Writes `text` to stderr, if that takes anything; never to stdout."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):
            print(text, file=sys.stderr, flush=True)


def finish(status: int) -> int:
    """Writes what is left in the streams; 1 in place of 0 if the output was lost.

    A reader that has read enough loses nothing.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        try:
            if stream is not None:
                stream.flush()
        except (OSError, ValueError) as error:
            discard(stream)
            if status == 0 and name == "stdout" and not isinstance(error, BrokenPipeError):
                complain(f"error: standard output: {getattr(error, 'strerror', None) or error}")
                status = 1
    return status


def discard(stream: TextIO) -> None:
    """What `stream` still holds goes nowhere, so that Python does not try again at exit."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
        stream.flush()


def _escaped(error: UnicodeError) -> tuple[bytes, int]:
    """What is written in place of characters that the encoding lacks."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    return b"".join(map(_twin, lacking)), error.end


def _twin(character: str) -> bytes:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        # A byte of a file's name that was no text to begin with.
        return bytes([code - 0xDC00])
    return _TWINS.get(character, character.encode("ascii", "backslashreplace").decode()).encode()
