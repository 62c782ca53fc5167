"""Reinforcement learning for puzzle-like decision problems.

Importing the package is cheap: a part is loaded when it is first used, and torch only by the
parts that train.

    >>> import twisterl
    >>> twisterl.defaults.PPO_CONFIG["training"]["num_epochs"]
    10
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twisterl import checkpoint, config, defaults, envs, nn, rl, train, twisterl, utils

    __version__: str

__all__ = [
    "__version__",
    "checkpoint",
    "config",
    "defaults",
    "envs",
    "nn",
    "rl",
    "train",
    "twisterl",
    "utils",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        # Its one source is Cargo.toml: the wheel and the compiled module carry the same.
        return importlib.import_module(f"{__name__}.twisterl").__version__
    if name in __all__:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
