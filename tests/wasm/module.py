"""The engine as a WebAssembly module, built and run without a browser."""

import json
import os
import struct
import sys
from pathlib import Path

import pytest

if os.environ.get("CI") != "true":  # There it is installed, or its lack is a failure.
    pytest.importorskip("wasmtime")

import wasmtime

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
from twisterl.config.validation import check_env
from twisterl.envs import listed
from twisterl.envs.protocol import act_space
from web_module import TARGET, build, is_target_installed

# Those whose actions are one choice of many.
DISCRETE = [
    name
    for name in listed.__all__
    if act_space(getattr(listed, name)(**check_env(name, {}, "test").as_dict()))["type"]
    == "discrete"
]
BOARD = {"width": 3, "height": 3, "difficulty": 30, "depth_slope": 2, "max_depth": 256}


def module_file(parity=False):
    """That of the module which pages have, or of its twin that answers the parity check."""
    if not is_target_installed():
        pytest.skip(f"rustup target add {TARGET}")
    return build("-D warnings", parity)


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
        content = self._read(self._call("output_address") & 0xFFFFFFFF, 8 * count)
        return list(struct.unpack(f"<{count}d", content))

    def said(self, name):
        """The text that a call gives; raises Refused."""
        self.ask(name)
        return self.message()

    def make(self, name, **parameters):
        self.tell("make", {"env_cls": name, "env": parameters})

    def set_state(self, state):
        return self.hand_over("set_state", struct.pack(f"<{len(state)}q", *state))

    def tell(self, name, value, *arguments):
        """What `name` answers to `value` as JSON and the rest; raises Refused."""
        return self.hand_over(name, json.dumps(value).encode(), *arguments)

    def solve(self, seed=0, **asked):
        """Whether it is solved, and the actions."""
        solved, _, *actions = self.tell("solve", asked, seed)
        return bool(solved), actions

    def parity(self, **request):
        """The answer to a request of docs/parity.md that needs no files; raises Refused."""
        content = json.dumps(request).encode()
        address = self.lend(content)
        try:
            self.ask("parity", address, len(content))
            return json.loads(self.message())
        finally:
            self._call("free", address)

    def lend(self, content):
        """The address of a new buffer of the module with this content; raises Refused."""
        address = self._call("alloc", len(content)) & 0xFFFFFFFF
        if not address:
            raise Refused(0, self.message())
        self._exports["memory"].write(self._store, content, address)
        return address

    def hand_over(self, name, content, *arguments):
        """What `name` answers to `content` and the rest; raises Refused."""
        address = self.lend(content)
        try:
            return self.ask(name, address, len(content), *arguments)
        finally:
            self._call("free", address)
