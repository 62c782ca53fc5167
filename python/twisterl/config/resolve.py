"""From the dotted paths of a config to classes: the one way from a name in data to code.

A config names classes, each of the kind that belongs there. The kind is checked on the class, so
that nothing of a wrong one is ever called. Importing a module runs it, though: a config from
elsewhere (`twisterl.config.trust` says which one is) names classes of this package only, and its
other names are refused before anything is imported.
"""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Mapping
from typing import Any

from twisterl.config.registry import (
    GYMNASIUM,
    MAKER_OF_GYMNASIUM,
    MAKER_OF_WASM,
    REGISTRY,
    WASM,
    registered,
)
from twisterl.config.run import Part
from twisterl.faults import ConfigError, Fault, nearest
from twisterl.on_demand import torch

# Where a config names the class of an environment in Python.
PYENV = "env.pyenv_cls"
_ALGORITHM = "twisterl.rl.algorithm.Algorithm"
# What a class must offer before one of its instances is asked to play.
_ENV_METHODS = ("num_actions", "obs_shape", "set_state", "twists")


def import_attribute(path: str) -> Any:
    """What the dotted `path` names; `ImportError` saying which part of it is not there."""
    parts = path.split(".") if isinstance(path, str) else []
    if len(parts) < 2 or not all(part.isidentifier() for part in parts):
        raise ImportError(f"Could not import '{path}': expected a dotted path, as package.Class")
    module_name, name = ".".join(parts[:-1]), parts[-1]
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise ImportError(f"Could not import '{path}': {error}") from error
    try:
        return getattr(module, name)
    except AttributeError:
        match = nearest(name, [known for known in dir(module) if not known.startswith("_")])
        hint = f"; did you mean {match}?" if match else ""
        raise ImportError(f"Could not import '{path}': {module_name} has no {name}{hint}") from None


def import_classes(parts: Mapping[str, Part], *, trust: bool) -> dict[str, type]:
    """The classes that the `parts` of a config name, by kind; that of a `PyEnv` by its key.

    Raises `ConfigError` with every fault; `trust` as in `import_class`.
    """
    paths = {kind: part.path for kind, part in parts.items()}
    env = parts["env_cls"]
    if env.name == "PyEnv":
        paths[PYENV] = env.get("pyenv_cls")
    classes, faults = {}, []
    for kind, path in paths.items():
        try:
            classes[kind] = import_class(kind, path, trust=trust)
        except ConfigError as error:
            faults += error.faults
    if faults:
        raise ConfigError(faults)
    return classes


def import_class(kind: str, path: str, *, trust: bool = True) -> type:
    """The class that a config names under `kind`.

    Args:
        kind: "env_cls", "env.pyenv_cls", "policy_cls" or "algorithm_cls".
        path: a short name of this package, or a dotted path; an environment of Gymnasium by its id,
            a WebAssembly module by its file.
        trust: False for a config from elsewhere, which names classes of this package only.

    Raises:
        ConfigError: there is no such class, or it is not of the kind. It is an `ImportError` too
            where the import fails.
    """
    if kind == "env_cls" and path.endswith(WASM):
        # Whoever has named it: it runs in a sandbox.
        return import_attribute(MAKER_OF_WASM)(path)
    name = registered(kind, path) if kind in REGISTRY else None
    if name is not None:
        path = REGISTRY[kind][name][0] if path == name else path
    elif not trust:
        got = f"got {path!r}, which is no class of this package, in a config from elsewhere"
        raise _refused(kind, f"{got}; --trust (in Python trust=True) imports it")
    if kind == "env_cls" and path.startswith(GYMNASIUM):
        return import_attribute(MAKER_OF_GYMNASIUM)(path)
    try:
        target = import_attribute(path)
    except ImportError as error:
        raise _refused(kind, str(error), error) from error
    except (Exception, SystemExit) as error:
        # What the module itself raises, while Python runs it.
        raise _refused(kind, f"importing {path!r} failed: {described(error)}") from error
    problem = _mismatch(kind, target)
    if problem is not None:
        raise _refused(kind, f"{path!r} {problem}", TypeError(problem))
    return target


def _refused(kind: str, problem: str, also: Exception | None = None) -> ConfigError:
    return ConfigError([Fault(kind, problem, also)])


def described(error: BaseException) -> str:
    """An exception in one line, with the line of code that raised it."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = (frame.filename, frame.lineno)
    text = str(error)
    if isinstance(error, SyntaxError):
        where, text = (error.filename or "", error.lineno), error.msg
    return f"{type(error).__name__}: {text} ({where[0]}, line {where[1]})"


def _mismatch(kind: str, target: Any) -> str | None:
    """Why `target` cannot be the class of a config's `kind`, or None; nothing of it is called."""
    if not isinstance(target, type):
        return f"is no class but a {type(target).__name__}"
    if kind == "env_cls":
        return _without(target, _ENV_METHODS, "environment")
    if kind == PYENV:
        from twisterl.envs.protocol import needed_methods

        needed = needed_methods(lambda name: _without(target, [name], "") is None)
        return _without(target, needed, "Python environment")
    if kind == "policy_cls":
        if not issubclass(target, torch.nn.Module):
            return "is no torch.nn.Module"
        # A layer is no network; whatever else somebody has written may be one.
        is_layer = target.__module__.partition(".")[0] == "torch"
        return _without(target, ["to_rust"], "policy") if is_layer else None
    # By its name, for an algorithm builds environments of a config itself, on its workers.
    bases = {f"{base.__module__}.{base.__qualname__}" for base in target.__mro__}
    return None if _ALGORITHM in bases else f"is no {_ALGORITHM}"


def _without(target: type, methods: Any, what: str) -> str | None:
    """What `target` lacks of the `methods`, which its class or a base of it must define."""
    found = {name for base in target.__mro__ for name in vars(base)}
    missing = [name for name in methods if name not in found or not callable(getattr(target, name))]
    return f"is no {what}: it lacks {', '.join(missing)}" if missing else None
