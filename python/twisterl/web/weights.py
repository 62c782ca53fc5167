"""A policy's file made smaller for a page: the rows of its matrices as bytes, each with a scale."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_LARGEST = 127


@dataclass(frozen=True)
class Rows:
    """A matrix `[R, ..]` as `scales` `[R]` of float32, times `numbers` `[R, ..]` of int8."""

    scales: npt.NDArray[np.float32]
    numbers: npt.NDArray[np.int8]

    @classmethod
    def of(cls, matrix: npt.NDArray[np.float32]) -> Rows:
        """The nearest one; its largest number in every row is that of `matrix`, but for a bit."""
        scales = np.abs(matrix).max(axis=tuple(range(1, matrix.ndim))) / np.float32(_LARGEST)
        steps = np.where(scales > 0, scales, np.float32(1))
        numbers = np.rint(matrix / steps.reshape(-1, *[1] * (matrix.ndim - 1)))
        return cls(scales, numbers.clip(-_LARGEST, _LARGEST).astype(np.int8))

    def matrix(self) -> npt.NDArray[np.float32]:
        """What it stands for; the page multiplies the same numbers, rounded to float32."""
        scales = self.scales.reshape(-1, *[1] * (self.numbers.ndim - 1))
        return self.numbers.astype(np.float32) * scales


def rounded(arrays: Mapping[str, npt.NDArray[np.float32]]) -> dict[str, Rows]:
    """The matrices of `arrays`; what has one dimension is small and stays as it is."""
    return {name: Rows.of(array) for name, array in arrays.items() if array.ndim > 1}


def packed(content: bytes, rows: Mapping[str, Rows]) -> bytes:
    """`content`, a safetensors file, with the matrices `rows` in place of what they stand for."""
    data = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:data])
    header.pop("__metadata__", None)
    parts = [content[:data]]
    for name, tensor in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = tensor["data_offsets"]
        own = [content[data + begin : data + end]]
        if name in rows:
            own = [rows[name].scales.tobytes(), rows[name].numbers.tobytes()]
        parts += own
    return b"".join(parts)
