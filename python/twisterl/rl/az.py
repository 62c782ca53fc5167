"""AlphaZero: the name that configs use; the algorithm itself is not built yet."""

from typing import Any

from twisterl.rl.algorithm import Algorithm


class AZ(Algorithm):
    """AlphaZero, whose configs are read and checked; making one raises `NotImplementedError`."""

    def __init__(self, env: Any, policy: Any, config: dict[str, Any], run_path: Any = None) -> None:
        raise NotImplementedError(
            "AlphaZero is not built yet: algorithm_cls twisterl.rl.AZ cannot train or solve; "
            "use twisterl.rl.PPO"
        )
