from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import numpy as np
import numpy.typing as npt
from typing_extensions import Self

__all__ = ["EmbeddingBag", "Learner", "Linear", "Policy", "Sequential", "cpu_level"]

@final
class Linear:
    def __new__(
        cls, weights_vector: npt.ArrayLike, bias_vector: npt.ArrayLike, apply_relu: bool
    ) -> Self: ...

@final
class EmbeddingBag:
    def __new__(
        cls,
        vec_vectors: npt.ArrayLike,
        bias_vector: npt.ArrayLike,
        apply_relu: bool,
        obs_shape: Sequence[int],
        conv_dim: int,
    ) -> Self: ...

@final
class Sequential:
    def __new__(cls, layers: Sequence[Linear]) -> Self: ...

@final
class Policy:
    def __new__(
        cls,
        embeddings: EmbeddingBag | tuple[str, Linear],
        common: Sequential,
        action_net: Sequential,
        value_net: Sequential,
        obs_perms: Sequence[Sequence[int]],
        act_perms: Sequence[Sequence[int]],
        head: str | None = None,
    ) -> Self: ...
    @staticmethod
    def from_spec(
        spec: str,
        tensors: dict[str, npt.NDArray[np.float32]],
        obs_perms: Sequence[Sequence[int]],
        act_perms: Sequence[Sequence[int]],
    ) -> Policy: ...
    @staticmethod
    def from_torch(
        evaluate: Callable[..., tuple[npt.NDArray[np.float32], ...]],
        obs_shape: Sequence[int],
        num_actions: int,
        obs_dtype: str | Mapping[str, Any] | None = None,
        initial_state: npt.ArrayLike | None = None,
        head: str | None = None,
    ) -> Policy: ...
    @property
    def state_size(self) -> int: ...
    def activations(
        self,
        indices: npt.ArrayLike | Mapping[str, Any],
        offsets: npt.NDArray[np.int64] | None = None,
    ) -> list[tuple[str, npt.NDArray[np.float32]]]: ...
    def predict(
        self, obs: npt.ArrayLike | Mapping[str, Any], masks: Sequence[bool]
    ) -> tuple[list[float], float]: ...
    def forward(
        self, obs: npt.ArrayLike | Mapping[str, Any], masks: Sequence[bool]
    ) -> tuple[list[float], float]: ...
    def full_predict(
        self, obs: npt.ArrayLike | Mapping[str, Any], masks: Sequence[bool]
    ) -> tuple[list[float], float]: ...
    def forward_batch(
        self,
        indices: npt.ArrayLike | Mapping[str, Any],
        offsets: npt.NDArray[np.int64] | None = None,
        perms: npt.NDArray[np.int32] | None = None,
        precision: str = "f32",
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]: ...
    def step_batch(
        self,
        indices: npt.ArrayLike,
        offsets: npt.NDArray[np.int64] | None,
        states: npt.NDArray[np.float32],
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32]]: ...
    def initial_state(self) -> npt.NDArray[np.float32]: ...

@final
class Learner:
    def __new__(cls, spec: str, obs_perms: list[list[int]], act_perms: list[list[int]]) -> Self: ...
    @property
    def names(self) -> list[str]:
        """Names of the parameters in their order."""
    step: int
    """Steps that Adam has made."""

    def load(self, name: str, values: npt.NDArray[np.float32], kind: str) -> None:
        """Puts in `values` float32, of the parameter `name`.

        `kind` is "weight", or a moment under its name in torch, "exp_avg", "exp_avg_sq" or
        "max_exp_avg_sq".
        """

    def store(self, name: str, values: npt.NDArray[np.float32], kind: str) -> None:
        """Writes to `values` what `load` takes."""

    def gradient(self, name: str, values: npt.NDArray[np.float32]) -> None:
        """Writes the gradient of the last update, clipped, by `name` to `values` float32."""

    def ppo(self, samples: dict[str, Any], descent: dict[str, Any]) -> list[float]:
        """Trains on PPO's samples: `[value, policy, entropy, total, kl, clip_fraction]`."""

    def walk(self, samples: dict[str, Any], descent: dict[str, Any]) -> list[float]:
        """Trains on the states of random walks: `[policy, value, total]`; see `ppo`."""

    def parity(self, samples: dict[str, Any], descent: dict[str, Any]) -> list[float]:
        """As `walk`, by solving for parities, without descent."""

    def require_parity(self) -> None:
        """Raises ValueError for a network that `parity` cannot set."""

    def az(self, samples: dict[str, Any], descent: dict[str, Any]) -> list[float]:
        """Trains on AlphaZero's samples: `[value, policy, l2, total]`; see `ppo`."""

def cpu_level() -> tuple[str, str]: ...
