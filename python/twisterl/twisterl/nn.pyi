from collections.abc import Callable, Sequence
from typing import final

import numpy as np
import numpy.typing as npt
from typing_extensions import Self

__all__ = ["EmbeddingBag", "Linear", "Policy", "Sequential"]

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
        evaluate: Callable[
            [npt.NDArray[np.float32]], tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]
        ],
        obs_shape: Sequence[int],
        num_actions: int,
        obs_dtype: str = "sparse",
    ) -> Policy: ...
    def predict(self, obs: npt.ArrayLike, masks: Sequence[bool]) -> tuple[list[float], float]: ...
    def forward(self, obs: npt.ArrayLike, masks: Sequence[bool]) -> tuple[list[float], float]: ...
    def full_predict(
        self, obs: npt.ArrayLike, masks: Sequence[bool]
    ) -> tuple[list[float], float]: ...
    def forward_batch(
        self,
        indices: npt.ArrayLike,
        offsets: npt.NDArray[np.int64] | None = None,
        perms: npt.NDArray[np.int32] | None = None,
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]: ...
