"""pip, with what it downloads and how much of it in a line that is redrawn, or in few of a log."""

from __future__ import annotations

import ensurepip
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping

# pip tells progress inside a file since.
_RAW_PROGRESS = (24, 1)
_UNITS = {"bytes": 1.0, "kB": 1e3, "MB": 1e6, "GB": 1e9}
# Of a log; on a terminal the line is redrawn.
_SAID_ALONE_MB = 20


def install(
    python: str, arguments: Iterable[str], environment: Mapping[str, str], *, watched: bool
) -> None:
    """Runs `pip install` of `python`; raises CalledProcessError, after all that pip has said."""
    command = [python, "-m", "pip", "install", *arguments]
    # What is imported is compiled then; most of it never is. (PIP_NO_COMPILE=1 means the opposite.)
    options = ["--no-compile", "--no-input", "--progress-bar", "off"]
    if tuple(map(int, re.findall(r"\d+", ensurepip.version())[:2])) >= _RAW_PROGRESS:
        options[-1] = "raw"
    child = subprocess.Popen(
        [*command, *options],
        env={key: value for key, value in environment.items() if key != "PIP_QUIET"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    assert child.stdout is not None
    said = []
    with Line(watched) as line:
        for text in child.stdout:
            if not line.take(text.strip()):
                said.append(text)
        code = child.wait()
    if code:
        sys.stdout.write("".join(said[-60:]))
        raise subprocess.CalledProcessError(code, command)


class Line:
    """The state of an installation from pip's output, as a line.

    >>> line = Line(watched=False)
    >>> line.take("Collecting numpy==2.4.6")
    True
    >>> line.take("Downloading numpy-2.4.6-cp311.whl (18.0 MB)")
    True
    >>> line.text
    '1 package, 18 MB downloaded, now numpy'
    """

    def __init__(self, watched: bool) -> None:
        self._watched = watched
        self._packages: set[str] = set()
        self._megabytes = 0.0
        self._now = "looking for packages"
        self._inside = ""
        self._began = time.monotonic()
        self._ended = threading.Event()
        self._ticker = threading.Thread(target=self._tick, daemon=True)

    def __enter__(self) -> Line:
        if self._watched:
            self._ticker.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._watched:
            self._ticker.join()
        self._now, self._inside = "", ""
        seconds = f"{time.monotonic() - self._began:.0f} s"
        _write(f"{chr(13) + _ERASE if self._watched else ''}  {self.text}, {seconds}\n")

    def take(self, text: str) -> bool:
        """Reads a line of pip's; False if it says something else than progress."""
        found = re.match(r"Downloading (\S+?)-\S+ \(([\d.]+) (\w+)\)", text)
        if found and ".metadata" not in text:
            megabytes = float(found[2]) * _UNITS.get(found[3], 0) / 1e6
            self._megabytes += megabytes
            self._now, self._inside = found[1], ""
            if megabytes >= _SAID_ALONE_MB:
                self._inside = f" ({megabytes:.0f} MB)"
                if not self._watched:
                    _write(f"  downloading {self._now}{self._inside}\n")
            return True
        found = re.match(r"Progress (\d+) of (\d+)", text)
        if found and int(found[2]) >= _SAID_ALONE_MB * 1e6:
            done, whole = (int(part) / 1e6 for part in found.groups())
            self._inside = f" ({done:.0f} of {whole:.0f} MB)"
        found = re.match(r"(Collecting|Installing|Building|Using|Preparing|Progress)\b", text)
        if text.startswith("Collecting "):
            self._packages.add(re.split(r"[^\w.-]", text.split()[1])[0])
        elif text.startswith("Installing collected"):
            self._now, self._inside = "unpacking", ""
        return found is not None

    @property
    def text(self) -> str:
        count = len(self._packages)
        packages = f"{count} package{'' if count == 1 else 's'}"
        now = f", now {self._now}{self._inside}" if self._now else ""
        return f"{packages}, {self._megabytes:.0f} MB downloaded{now}"

    def _tick(self) -> None:
        """Shows that it goes on, also while pip says nothing."""
        while not self._ended.wait(0.5):
            seconds = time.monotonic() - self._began
            # Not wrapped: a second row would stay.
            _write(f"\r{_ERASE}\x1b[?7l  {self.text}, {seconds:.0f} s\x1b[?7h")


_ERASE = "\x1b[2K"


def _write(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError:
        pass  # Nobody looks on any more; the work goes on.
