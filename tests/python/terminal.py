"""A program in a terminal, and what its screen shows: as much of a VT100 as our commands use."""

import os
import re
import select
import subprocess

import pytest

_CONTROL = re.compile(r"\x1b\[(\d*)(?:;\d+)*([A-Za-z])|\x1b\[\?\d+[hl]|\r|\n|[^\x1b\r\n]")


class Screen:
    """Rows of text, redrawn in place."""

    def __init__(self):
        self.rows, self.row, self.column = [""], 0, 0

    def feed(self, text):
        for control in _CONTROL.finditer(text):
            found, count = control[0], int(control[1] or 1)
            if found == "\r":
                self.column = 0
            elif found == "\n":
                self.row += 1
                self.rows += [""] * (self.row + 1 - len(self.rows))
            elif control[2] == "A":
                self.row = max(0, self.row - count)
            elif control[2] == "H":
                self.row = self.column = 0
            elif control[2] == "J":
                self.rows[self.row] = self.rows[self.row][: self.column]
                del self.rows[self.row + 1 :]
            elif control[2] == "K":
                kept = 0 if control[1] == "2" else self.column
                self.rows[self.row] = self.rows[self.row][:kept]
            elif len(found) == 1:
                row = self.rows[self.row].ljust(self.column)
                self.rows[self.row] = row[: self.column] + found + row[self.column + 1 :]
                self.column += 1

    @property
    def text(self):
        return "\n".join(row.rstrip() for row in self.rows)


class Terminal:
    """Runs `command` in a terminal of its own; `bells` are the screens at each bell it rang."""

    def __init__(self, command, size=(40, 100), **environment):
        pty = pytest.importorskip("pty")
        import fcntl
        import struct
        import termios

        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *size, 0, 0))
        self.screen, self.bells = Screen(), []
        self._rest = b""
        environment = {**os.environ, "TERM": "xterm-256color", **environment}
        self.child = subprocess.Popen(
            command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, close_fds=True,
            start_new_session=True,
        )  # fmt: skip
        os.close(theirs)

    def type(self, keys):
        os.write(self._ours, keys.encode())

    def read_until(self, wanted, timeout_s=60):
        """Reads on until the screen shows `wanted`; the text of the screen."""
        while wanted not in self.screen.text:
            assert self._read(timeout_s), f"the program ended before {wanted!r}: {self.screen.text}"
        return self.screen.text

    def finish(self, timeout_s=60):
        """Reads to the end of the program; its exit status."""
        while self._read(timeout_s):
            pass
        status = self.child.wait(timeout_s)
        os.close(self._ours)
        return status

    def _read(self, timeout_s):
        assert select.select([self._ours], [], [], timeout_s)[0], self.screen.text
        try:
            data = os.read(self._ours, 4096)
        except OSError:
            # Linux says so when the program has closed its side.
            return False
        self._rest += data
        try:
            text, self._rest = self._rest.decode(), b""
        except UnicodeDecodeError as cut:
            text, self._rest = self._rest[: cut.start].decode(), self._rest[cut.start :]
        cut = re.search(r"\x1b(\[[\d;?]*)?$", text)
        if cut:
            text, self._rest = text[: cut.start()], text[cut.start() :].encode() + self._rest
        for part in re.split("(\a)", text):
            if part == "\a":
                self.bells.append(self.screen.text)
            else:
                self.screen.feed(part)
        return bool(data)
