"""A WebAssembly core module that is an environment, run by wasmtime within limits.

docs/wasm-environments.md has the interface.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from twisterl.faults import ConfigError, Fault, InputError, unknown

VERSION = 1
MOST_BYTES = 16 * 2**20
MOST_MEMORY = 256 * 2**20
MOST_TABLE = 10_000
# Instructions of a call, and more of them for each lane that it moves.
FUEL, FUEL_A_LANE = 200_000_000, 1_000_000

OK = 0
ALWAYS_ENDS, TELLS_TRUNCATION, HAS_GOAL, HAS_UNIFORM = 1, 2, 4, 8
RESET, STEP, OBSERVE, RESET_UNIFORM, RESET_GOAL = range(5)

_PAGE = 65536
_MOST_TEXT = 1000
_MOST_NUMBERS = 4096
_MAGIC = b"\0asm\1\0\0\0"
_PARAMETER = "parameter_"
_NEEDED = (
    "twisterl_env", "num_actions", "num_features", "most_active", "state_size",
    "set_state", "advance",
)  # fmt: skip
_MOVE = np.dtype([("state", "<u4"), ("kind", "<u4"), ("value", "<u8"), ("seed", "<u8")])
_STATUS = np.dtype(
    [("reward", "<f4"), ("is_final", "u1"), ("success", "u1"), ("truncated", "u1"), ("_", "u1")]
)
# What a field of a section may be at most, by the names of the functions that tell it.
_SIZES = {
    "num_actions": 2**16, "num_features": 2**24, "most_active": 2**16, "state_size": 2**20,
}  # fmt: skip


class ModuleError(InputError):
    """A module that broke its promises while it was played; the text begins with its name."""


class Module:
    """The module of the file at `path`, with the parameters in `arguments`.

    Raises ConfigError if it cannot be used.
    """

    def __init__(self, path: str, arguments: dict[str, Any]) -> None:
        self.path, self.arguments = path, arguments
        self.name = os.path.basename(path)
        content = _read(path)
        self.sha256 = hashlib.sha256(content).hexdigest()
        self.engine, self.compiled = _compiled(path, content)
        self.idle: list[Instance] = []
        first = self.take()
        self.num_actions, self.num_features = first.num_actions, first.num_features
        self.flags = first.flags
        self.inverse_actions = first.inverse_actions()
        first.advanced(np.zeros(1, np.int64), np.array([RESET]), np.zeros(1), np.zeros(1))
        # An episode that has begun.
        self.first = first.states[0].copy()
        self.give_back(first)

    def take(self) -> Instance:
        """An instance for one lane that nobody else uses."""
        try:
            return self.idle.pop()
        except IndexError:
            return Instance(self, 1)

    def give_back(self, instance: Instance) -> None:
        self.idle.append(instance)


def _read(path: str) -> bytes:
    try:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            raise _refused(path, "is no file")
        if found.st_size > MOST_BYTES:
            raise _refused(path, f"has {found.st_size:,} bytes; at most {MOST_BYTES:,} are read")
        content = Path(path).read_bytes()
    except (OSError, ValueError) as error:
        if isinstance(error, ConfigError):
            raise
        reason = error.strerror if isinstance(error, OSError) else error
        raise _refused(path, f"cannot be read: {reason}", error) from error
    if not content.startswith(_MAGIC):
        raise _refused(path, "is no WebAssembly core module")
    return content


def _refused(path: str, problem: str, also: Exception | None = None) -> ConfigError:
    return ConfigError([Fault("env_cls", f"{path}: {_shown(problem)}", also)])


def _shown(text: object) -> str:
    """One line of `text`, which a module may have written: no code of a terminal in it."""
    return "".join(c if c.isprintable() else "?" for c in " ".join(str(text).split()))


def _compiled(path: str, content: bytes) -> tuple[Any, Any]:
    """The engine, and the module of this content."""
    try:
        import wasmtime
    except ImportError as error:
        problem = "needs the package wasmtime; pip install 'twisterl[wasm]'"
        raise _refused(path, problem, error) from error
    config = wasmtime.Config()
    config.consume_fuel = True
    # Traps by signals end the process where somebody else takes their handlers away, as
    # ray.shutdown() does.
    config.signals_based_traps = False
    engine = wasmtime.Engine(config)
    try:
        module = wasmtime.Module(engine, content)
    except wasmtime.WasmtimeError as error:
        raise _refused(path, f"is no valid module: {error}") from error
    for wanted in module.imports:
        problem = f"imports {wanted.module}.{wanted.name}; an environment imports nothing"
        raise _refused(path, problem)
    kinds = {item.name: type(item.type) for item in module.exports}
    wanted_kinds = dict.fromkeys(_NEEDED, wasmtime.FuncType) | {"memory": wasmtime.MemoryType}
    missing = [name for name, kind in wanted_kinds.items() if kinds.get(name) is not kind]
    if missing:
        raise _refused(path, f"is no environment: it does not export {', '.join(missing)}")
    return engine, module


class Instance:
    """An instance of a module with room for `num_lanes` episodes; no two threads may use it."""

    def __init__(self, module: Module, num_lanes: int) -> None:
        import wasmtime

        self._wasmtime = wasmtime
        self.name, self.num_lanes = module.name, num_lanes
        self._store = wasmtime.Store(module.engine)
        self._store.set_limits(
            memory_size=MOST_MEMORY, table_elements=MOST_TABLE, instances=1, memories=1
        )
        self._store.set_fuel(FUEL)
        try:
            instance = wasmtime.Instance(self._store, module.compiled, [])
        except (wasmtime.WasmtimeError, wasmtime.Trap) as error:
            raise _refused(module.path, f"cannot be started: {self._reason(error)}") from error
        self._exports = {export.name: export for export in module.compiled.exports}
        self._instance: Any = instance.exports(self._store)
        self._memory: Any = self._instance["memory"]
        try:
            self._set_up(module)
        except ModuleError as error:
            raise ConfigError([Fault("env_cls", str(error))]) from error

    def _set_up(self, module: Module) -> None:
        version = self._ask("twisterl_env")
        if version != VERSION:
            raise self.error(f"twisterl_env() is {version}; this TwisteRL knows {VERSION}")
        self._set_parameters(module.arguments)
        sizes = {name: self._size(name, most) for name, most in _SIZES.items()}
        self.num_actions, self.num_features = sizes["num_actions"], sizes["num_features"]
        self.most_active, self.state_size = sizes["most_active"], sizes["state_size"]
        self.flags = self._ask("flags") if "flags" in self._exports else 0
        self._lay_out()

    def _size(self, name: str, most: int) -> int:
        size = self._ask(name)
        if not 1 <= size <= most:
            raise self.error(f"{name}() is {size}; expected 1 to {most:,}")
        return size

    def _set_parameters(self, given: dict[str, Any]) -> None:
        known = [n.removeprefix(_PARAMETER) for n in self._exports if n.startswith(_PARAMETER)]
        faults = []
        for key, value in given.items():
            if key not in known:
                faults.append(Fault(f"env.{key}", f"{self.name}: {unknown(key, known)}"))
            elif not isinstance(value, int) or not -(2**63) <= value < 2**63:
                faults.append(Fault(f"env.{key}", f"got {value!r}; expected an integer"))
            elif self._ask(_PARAMETER + key, int(value)) != OK:
                faults.append(Fault(f"env.{key}", f"got {value}, which {self.name} refuses"))
        if faults:
            raise ConfigError(faults)

    # The memory that the host adds, and arrays which show it.

    def _lay_out(self) -> None:
        lanes = self.num_lanes
        self._stride = -(-self.state_size // 8) * 8
        parts = {
            "moves": lanes * _MOVE.itemsize,
            "states": lanes * self._stride,
            "numbers": 8 * max(_MOST_NUMBERS, self.num_actions),
            "status": lanes * _STATUS.itemsize,
            "views": 24,
            "indices": 4 * lanes * self.most_active,
            "ends": 4 * lanes,
            "masks": lanes * self.num_actions,
        }
        whole = sum(-(-size // 8) * 8 for size in parts.values())
        at = self._grown(whole)
        self._places: dict[str, int] = {}
        for name, size in parts.items():
            self._places[name] = at
            at += -(-size // 8) * 8
        self._seen = (0, 0)
        self._look()
        places = self._places
        self._words("views")[:5] = [
            places["indices"], lanes * self.most_active, places["ends"], places["masks"],
            places["status"],
        ]  # fmt: skip

    def _grown(self, size: int) -> int:
        before = self._memory.data_len(self._store)
        problem = f"needs more than {MOST_MEMORY // 2**20} MiB of memory for {self.num_lanes} lanes"
        if before + size > MOST_MEMORY:
            raise self.error(problem)
        try:
            self._memory.grow(self._store, -(-size // _PAGE))
        except self._wasmtime.WasmtimeError as error:
            raise self.error(problem) from error
        return before

    def _look(self) -> None:
        """Makes the arrays anew where the memory has grown."""
        address = ctypes.addressof(self._memory.data_ptr(self._store).contents)
        length = self._memory.data_len(self._store)
        if (address, length) == self._seen:
            return
        self._seen = address, length
        kind = ctypes.c_uint8 * length
        self._bytes = np.frombuffer(kind.from_address(address), np.uint8)
        lanes = self.num_lanes
        self.moves = self._array("moves", _MOVE, lanes)
        self.states = self._array("states", np.dtype("u1"), lanes * self._stride)
        self.states = self.states.reshape(lanes, self._stride)
        self.numbers = self._array("numbers", np.dtype("<i8"), max(_MOST_NUMBERS, self.num_actions))
        self.status = self._array("status", _STATUS, lanes)
        self.indices = self._array("indices", np.dtype("<i4"), lanes * self.most_active)
        self.ends = self._array("ends", np.dtype("<u4"), lanes)
        self.masks = self._array("masks", np.dtype("u1"), lanes * self.num_actions)

    def _array(self, name: str, dtype: np.dtype[Any], count: int) -> npt.NDArray[Any]:
        return np.frombuffer(self._bytes, dtype, count, self._places[name])

    def _words(self, name: str) -> npt.NDArray[Any]:
        return self._array(name, np.dtype("<u4"), 6)

    # Calls.

    def _ask(self, name: str, *given: int, lanes: int = 0) -> int:
        """What the export answers; ModuleError if it is no function of these, or ends in a trap."""
        self._store.set_fuel(FUEL + FUEL_A_LANE * lanes)
        try:
            answer = self._instance[name](self._store, *given)
        except (self._wasmtime.WasmtimeError, self._wasmtime.Trap) as error:
            raise self.error(f"{name}() {self._reason(error)}") from error
        except TypeError as error:
            raise self.error(f"{name}: expected another function: {error}") from error
        if not isinstance(answer, int):
            raise self.error(f"{name}(): expected an integer, got {answer!r}")
        return answer

    def _reason(self, error: BaseException) -> str:
        if isinstance(error, self._wasmtime.Trap):
            code = getattr(error, "trap_code", None)
            if code is not None and code.name == "OUT_OF_FUEL":
                return f"did not end within {FUEL:,} instructions"
            if code is not None:
                return f"trapped: {code.name.lower().replace('_', ' ')}"
        return str(error)

    def error(self, problem: str) -> ModuleError:
        return ModuleError(f"{self.name}: {_shown(problem)}")

    def _told(self) -> str:
        """What the module says of the last failure, behind a colon; or nothing."""
        if "last_error" not in self._exports:
            return ""
        length = self._ask("last_error", self._places["numbers"], _MOST_TEXT)
        self._look()
        text = self.numbers.tobytes()[: max(0, min(length, _MOST_TEXT))]
        return ": " + _shown(text.decode("utf-8", "replace"))

    def set_state(self, numbers: list[int]) -> str | None:
        """Into the first lane; of a state that is refused what the module says, or ""."""
        if len(numbers) > _MOST_NUMBERS:
            return f": expected at most {_MOST_NUMBERS} integers"
        self.numbers[: len(numbers)] = numbers
        given = self._places["states"], self._places["numbers"], len(numbers)
        code = self._ask("set_state", *given)
        self._look()
        return None if code == OK else self._told()

    def inverse_actions(self) -> list[int] | None:
        if "inverse_actions" not in self._exports:
            return None
        if self._ask("inverse_actions", self._places["numbers"]) != OK:
            raise self.error("inverse_actions() failed")
        self._look()
        found: list[int] = self.numbers.view("<i4")[: self.num_actions].tolist()
        return found

    def advanced(
        self,
        lanes: npt.NDArray[Any],
        kinds: npt.NDArray[Any],
        values: npt.NDArray[Any],
        seeds: npt.NDArray[Any],
    ) -> tuple[npt.NDArray[Any], ...]:
        """Moves `lanes` `[B]`; copies of what they lead to, as `advance` of `twisterl.envs`."""
        count = len(lanes)
        moves = self.moves[:count]
        moves["state"] = self._places["states"] + self._stride * lanes
        moves["kind"], moves["value"], moves["seed"] = kinds, values, seeds
        given = self._places["moves"], count, self._places["views"]
        code = self._ask("advance", *given, lanes=count)
        self._look()
        if code != OK:
            raise self.error(f"advance() failed with {code}{self._told()}")
        ends = self.ends[:count].astype(np.int64)
        most = len(self.indices)
        wrong = np.flatnonzero((np.diff(ends, prepend=0) < 0) | (ends > most))
        if wrong.size:
            got = f"got {ends[wrong[0]]} in row {wrong[0]}"
            raise self.error(f"ends: expected to rise to at most {most}, {got}")
        status = self.status[:count]
        return (
            self.indices[: ends[-1]].copy(),
            np.concatenate([[0], ends]),
            self.masks[: count * self.num_actions] != 0,
            status["reward"].copy(),
            status["is_final"] != 0,
            status["success"] != 0,
            status["truncated"] != 0,
        )
