"""The engine as a WebAssembly module, built and run without a browser."""

import os
import re
import shlex
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

if os.environ.get("CI") != "true":  # There it is installed, or its lack is a failure.
    pytest.importorskip("wasmtime")

import wasmtime

ROOT = Path(__file__).resolve().parents[2]
TARGET = "wasm32-unknown-unknown"
SOURCE = ROOT / "rust" / "web" / "src" / "lib.rs"


def is_target_installed():
    if not shutil.which("cargo"):
        return False
    command = ["rustc", "--print", "target-libdir", "--target", TARGET]
    found = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    return found.returncode == 0 and Path(found.stdout.strip()).exists()


def build():
    """Runs the command that the crate's documentation names; a warning is an error."""
    command = re.search(r"```sh\n(.*?)//! ```", SOURCE.read_text(), re.DOTALL)[1]
    words = shlex.split(command.replace("\\\n", "").replace("//!", ""))
    flags = words.pop(0).removeprefix("RUSTFLAGS=")
    environment = dict(os.environ, RUSTFLAGS=f"{flags} -D warnings")
    subprocess.run([*words, "--quiet"], check=True, cwd=ROOT, env=environment)
    folder = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return (folder / TARGET / "web" / "twisterl_web.wasm").read_bytes()


class Refused(Exception):
    """What the module says of a refused call, and its code."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Module:
    """An instance; `clock` is what `host.seconds` answers."""

    def __init__(self, engine, compiled, clock):
        self._store = wasmtime.Store(engine)
        linker = wasmtime.Linker(engine)
        kind = wasmtime.FuncType([], [wasmtime.ValType.f64()])
        linker.define_func("host", "seconds", kind, clock)
        self._exports = linker.instantiate(self._store, compiled).exports(self._store)

    def _call(self, name, *arguments):
        return self._exports[name](self._store, *arguments)

    def _read(self, address, length):
        return bytes(self._exports["memory"].read(self._store, address, address + length))

    def message(self):
        return self._read(self._call("message_address"), self._call("message_length")).decode()

    def use_clock(self):
        self._call("use_clock")

    def ask(self, name, *arguments):
        """The numbers that a call gives; raises Refused."""
        count = self._call(name, *arguments)
        if count < 0:
            raise Refused(count, self.message())
        content = self._read(self._call("output_address"), 4 * count)
        return list(struct.unpack(f"<{count}i", content))

    def lend(self, content):
        """The address of a new buffer of the module with this content; raises Refused."""
        address = self._call("alloc", len(content)) & 0xFFFFFFFF
        if not address:
            raise Refused(0, self.message())
        self._exports["memory"].write(self._store, content, address)
        return address

    def hand_over(self, name, content):
        """What `name` answers to `content`; raises Refused."""
        address = self.lend(content)
        try:
            return self.ask(name, address, len(content))
        finally:
            self._call("free", address)
