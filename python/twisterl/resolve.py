"""From the dotted paths of a config to classes."""

from __future__ import annotations

import importlib
import traceback
from typing import Any

from twisterl.config import REGISTRY, registered
from twisterl.faults import ConfigError, Fault, nearest

# What an environment class must offer to be one.
_ENV_METHODS = ("num_actions", "obs_shape", "reset", "set_state", "step", "masks", "observe")


def import_attribute(path: str) -> Any:
    """What the dotted `path` names; `ImportError` saying which part of it is not there."""
    module_name, _, name = path.rpartition(".")
    if not module_name or not name:
        raise ImportError(f"Could not import '{path}': expected a dotted path, as package.Class")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise ImportError(f"Could not import '{path}': {error}") from error
    except (TypeError, ValueError) as error:
        raise ImportError(f"Could not import '{path}': {error}") from None
    try:
        return getattr(module, name)
    except AttributeError:
        match = nearest(name, [known for known in dir(module) if not known.startswith("_")])
        hint = f"; did you mean {match}?" if match else ""
        raise ImportError(f"Could not import '{path}': {module_name} has no {name}{hint}") from None


def import_class(kind: str, path: str, *, registered_only: bool = False) -> type:
    """The class that a config names under `kind` ("env_cls", "policy_cls", "algorithm_cls").

    `kind` may also be "env.pyenv_cls", the class that `PyEnv` wraps and checks itself.

    A config is data: it may name a class of the right kind, never a function. With
    `registered_only`, for configs from elsewhere, only the classes of this package.

    Raises `ConfigError`.
    """

    def refuse(problem: str) -> ConfigError:
        return ConfigError([Fault(kind, problem)])

    name = registered(kind, path) if kind in REGISTRY else None
    if name is not None:
        path = REGISTRY[kind][name][0] if path == name else path
    elif registered_only:
        known = ", ".join(REGISTRY.get(kind, [])) or "no class of another package"
        raise refuse(f"got {path!r}; expected one of {known}")
    try:
        target = import_attribute(path)
    except ImportError as error:
        raise refuse(str(error)) from error
    except (Exception, SystemExit) as error:
        # What the module itself raises, while Python runs it.
        raise refuse(f"importing {path!r} failed: {_described(error)}") from error
    if not isinstance(target, type):
        raise refuse(f"{path!r} is no class but a {type(target).__name__}")
    problem = _mismatch(kind, target)
    if problem is not None:
        raise refuse(f"{path!r} {problem}")
    return target


def _described(error: BaseException) -> str:
    """An exception in one line, with the line of code that raised it."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = (frame.filename, frame.lineno)
    if isinstance(error, SyntaxError):
        where, text = (error.filename or "", error.lineno), error.msg
    else:
        text = str(error)
    return f"{type(error).__name__}: {text} ({where[0]}, line {where[1]})"


def _mismatch(kind: str, target: type) -> str | None:
    """Why `target` cannot be the class of a config's `kind`, or None."""
    if kind == "env_cls":
        missing = [name for name in _ENV_METHODS if not hasattr(target, name)]
        return f"is no environment: it lacks {', '.join(missing)}" if missing else None
    if kind == "policy_cls":
        from torch.nn import Module

        return None if issubclass(target, Module) else "is no torch.nn.Module"
    if kind != "algorithm_cls":
        return None
    from twisterl.rl.algorithm import Algorithm

    return None if issubclass(target, Algorithm) else "is no twisterl.rl.algorithm.Algorithm"
