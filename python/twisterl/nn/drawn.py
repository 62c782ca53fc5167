"""First weights, as torch draws them: the same numbers of the same generator.

torch's generator on the CPU is the Mersenne Twister (Matsumoto and Nishimura 1998). Of each 32-bit
number `uniform_` takes the lower 24 bits as x in [0, 1), and gives x (high - low) + low, rounded
once. `torch.nn.Linear` and `Conv1d` draw weights and bias between -1 / sqrt(inputs) and its
negative, by slightly different roundings of the bound ("Delving deep into rectifiers", He et al.
2015, with a = sqrt(5)).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

# torch.get_rng_state() holds: the seed, words left and a flag, the place, the words, and what is
# kept of normal numbers, none here.
_WORDS, _KEPT = 624, 40


class Generator:
    """torch's generator of the CPU after `torch.manual_seed(seed)`."""

    def __init__(self, seed: int) -> None:
        self._seed = seed % 2**64
        self._twister = np.random.MT19937()
        self._twister._legacy_seeding(seed % 2**32)

    def uniform(self, shape: tuple[int, ...], num_inputs: int) -> npt.NDArray[np.float32]:
        """The weights [outputs, inputs, ..] or the bias [outputs] of a layer."""
        if not num_inputs:
            return np.zeros(shape, np.float32)
        bound = 1 / math.sqrt(num_inputs)
        if len(shape) > 1:
            # As kaiming_uniform_ has it, to the last bit.
            bound = math.sqrt(3.0) * (
                math.sqrt(2.0 / (1 + math.sqrt(5) ** 2)) / math.sqrt(num_inputs)
            )
        words = np.asarray(self._twister.random_raw(math.prod(shape)), np.uint64)
        x = (words & np.uint64(0xFFFFFF)).astype(np.float64) * 2.0**-24
        low = np.float32(-bound)
        width = np.float64(np.float32(bound) - low)
        return (x * width + np.float64(low)).astype(np.float32).reshape(shape)

    def torch_state(self) -> npt.NDArray[np.uint8]:
        """uint8 [5056], what `torch.get_rng_state()` gives."""
        state = self._twister.state["state"]
        place = int(state["pos"])
        left = np.array([_WORDS + 1 - place, 1], np.int32)
        head = np.array([self._seed, left.view(np.uint64)[0], place], np.uint64)
        words = np.asarray(state["key"], np.uint64)
        return np.concatenate(
            [head.view(np.uint8), words.view(np.uint8), np.zeros(_KEPT, np.uint8)]
        )
