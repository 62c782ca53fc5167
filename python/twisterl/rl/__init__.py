"""The algorithms; torch is imported when one of them is first used.

>>> from twisterl.rl import PPO
>>> [cls.__name__ for cls in PPO.__mro__[:3]]
['PPO', 'MinibatchDescent', 'Algorithm']
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from twisterl.rl.az import AZ
    from twisterl.rl.es import ES
    from twisterl.rl.ppo import PPO
    from twisterl.rl.random_walk import RandomWalk

__all__ = ["AZ", "ES", "PPO", "RandomWalk"]


def __getattr__(name: str) -> Any:
    if name == "PPO":
        from twisterl.rl.ppo import PPO

        return PPO
    if name == "AZ":
        from twisterl.rl.az import AZ

        return AZ
    if name == "RandomWalk":
        from twisterl.rl.random_walk import RandomWalk

        return RandomWalk
    if name == "ES":
        from twisterl.rl.es import ES

        return ES
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
