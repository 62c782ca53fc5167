"""PyTorch, imported when something of it is first used, and what else may not be installed.

Commands that only play, and training that the engine computes, never use any: they start in a
fraction of the time, take a fraction of the memory, and work where PyTorch is not installed.

>>> from twisterl.on_demand import torch
>>> torch.zeros(2).tolist()
[0.0, 0.0]
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from typing import TYPE_CHECKING, Any


class MissingPackage(ImportError):
    """A package that is not installed; the text says what needs it and how it is installed."""


def is_imported() -> bool:
    """Whether this process has PyTorch already."""
    return "torch" in sys.modules


def is_installed() -> bool:
    """Whether there is a PyTorch to import."""
    return is_imported() or importlib.util.find_spec("torch") is not None


def version() -> str | None:
    """That of PyTorch, where this process has it."""
    return str(torch.__version__) if is_imported() else None


def lacks_torch(what: str) -> str:
    """The sentence that `what` needs PyTorch."""
    return f"{what} needs PyTorch, which is not installed: pip install torch"


def optional(name: str, what: str) -> Any:
    """The module `name`, which `what` needs and not every installation brings.

    Raises `MissingPackage` where it is not there.
    """
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        package = name.partition(".")[0]
        if error.name != package:
            raise
        problem = f"{what} needs the package {package}: pip install {package}"
        raise MissingPackage(problem) from None


class _Torch:
    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__version__":
            # What tools ask of any object.
            raise AttributeError(name)
        if not is_installed():
            raise MissingPackage(lacks_torch(f"this use of TwisteRL (torch.{name})"))
        return getattr(importlib.import_module("torch"), name)


if TYPE_CHECKING:
    import torch as torch
else:
    torch = _Torch()
