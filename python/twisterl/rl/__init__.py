"""The algorithms; torch is imported when one of them is first used.

>>> from twisterl.rl import PPO
>>> [cls.__name__ for cls in PPO.__mro__[:3]]
['PPO', 'MinibatchDescent', 'Algorithm']
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twisterl.rl.az import AZ
    from twisterl.rl.es import ES
    from twisterl.rl.ppo import PPO
    from twisterl.rl.random_walk import RandomWalk

__all__ = ["AZ", "ES", "PPO", "RandomWalk"]


# Where each class is.
_MODULES = {"AZ": "az", "ES": "es", "PPO": "ppo", "RandomWalk": "random_walk"}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
