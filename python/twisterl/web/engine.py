"""The engine's WebAssembly module, which comes with a wheel."""

from __future__ import annotations

import os
from pathlib import Path

from twisterl.faults import ConfigError, Fault

ENGINE = Path(__file__).with_name("engine.wasm")
_MAGIC = b"\0asm\1\0\0\0"


def engine(path: str | os.PathLike[str] | None = None) -> bytes:
    """The module at `path`, or the one that was built into this package.

    Raises `ConfigError` if there is none.
    """
    source = ENGINE if path is None else Path(path)
    name = "--engine" if path is not None else "engine"
    try:
        content = source.read_bytes()
    except OSError as error:
        problem = f"cannot be read: {source}: {error.strerror}"
        if path is None:
            problem = (
                f"the WebAssembly module is missing ({ENGINE}): install a wheel of a release, or "
                "in a checkout run `rustup target add wasm32-unknown-unknown` and `make web-module`"
            )
        raise ConfigError([Fault(name, problem)], "command line") from None
    if not content.startswith(_MAGIC):
        raise ConfigError([Fault(name, f"{source} is no WebAssembly module")], "command line")
    return content
