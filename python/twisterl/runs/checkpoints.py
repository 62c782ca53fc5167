"""Files of weights, safetensors and the pickles of before."""

from __future__ import annotations

import json
import logging
import math
import os
from collections.abc import Mapping

from twisterl.on_demand import is_installed, lacks_torch, torch
from twisterl.runs import tensors
from twisterl.runs.errors import CheckpointError
from twisterl.runs.files import write_atomic

_logger = logging.getLogger("twisterl")
# Older versions run code or corrupt memory while reading "weights only" pickles.
_SAFE_PICKLE_TORCH = (2, 10)
# Metadata of ours: the weight of values in a beam that a training has chosen, in JSON.
_BEAM_VALUE_WEIGHT = "twisterl.beam_value_weight"


def load(checkpoint_path: str | os.PathLike[str]) -> dict[str, torch.Tensor]:
    """The state dict in a `.safetensors` or legacy `.pt` file, on the CPU.

    Raises `CheckpointError` (a `ValueError`) naming the file and the tensor for a file that is cut
    off, is no such file, is not what was written, or holds NaN or infinity.
    """
    path = os.fspath(checkpoint_path)
    if path.endswith(".safetensors"):
        return tensors.read(path)[0]
    if path.endswith(".pt"):
        _logger.warning(
            "%s is a legacy checkpoint; convert_pt_to_safetensors makes a safe one of it", path
        )
        return _load_pt(path)
    raise CheckpointError(f"{path}: expected a name that ends in .safetensors or .pt")


def load_arrays(checkpoint_path: str | os.PathLike[str]) -> tensors.Arrays:
    """As `load`, as arrays; a `.pt` file needs torch."""
    path = os.fspath(checkpoint_path)
    if path.endswith(".safetensors"):
        return tensors.read_arrays(path)[0]
    if path.endswith(".pt") and not is_installed():
        raise CheckpointError(lacks_torch(f"{path}: a pickle of torch"))
    return {name: value.numpy() for name, value in load(path).items()}


def notes(beam_value_weight: float | None) -> dict[str, str]:
    """The metadata of weights with which a training has chosen `beam_value_weight`, if it has."""
    if beam_value_weight is None:
        return {}
    return {_BEAM_VALUE_WEIGHT: json.dumps(beam_value_weight)}


def weight_in(metadata: Mapping[str, str], source: str) -> float | None:
    """What `notes` has put into `metadata`; `CheckpointError` for a weight that no beam takes."""
    text = metadata.get(_BEAM_VALUE_WEIGHT)
    if text is None:
        return None
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not 0 <= weight < math.inf:
        problem = f"expected a number that is not negative, got {text!r}"
        raise CheckpointError(f"{source}: metadata {_BEAM_VALUE_WEIGHT}: {problem}")
    return weight


def beam_value_weight(checkpoint_path: str | os.PathLike[str]) -> float | None:
    """The weight of values in a beam that came with a checkpoint, None if it has none."""
    path = os.fspath(checkpoint_path)
    if not path.endswith(".safetensors"):
        return None
    return weight_in(tensors.notes(path), path)


def convert(
    pt_path: str | os.PathLike[str], output_path: str | os.PathLike[str] | None = None
) -> str:
    """Writes the state dict of a `.pt` file as safetensors and returns the path of the new file.

    `output_path` defaults to the same name with the ending `.safetensors`.
    """
    source = os.fspath(pt_path)
    target = os.fspath(output_path or f"{source.removesuffix('.pt')}.safetensors")
    write_atomic(target, tensors.encode(_load_pt(source)))
    return target


def _load_pt(path: str) -> dict[str, torch.Tensor]:
    version = tuple(int(part) for part in torch.__version__.split(".")[:2])
    if version < _SAFE_PICKLE_TORCH:
        needed = ".".join(map(str, _SAFE_PICKLE_TORCH))
        raise CheckpointError(
            f"{path}: reading .pt files safely needs torch {needed} or later; "
            f"this is {torch.__version__}"
        )
    with tensors.opened(path) as file:
        try:
            state = torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:
            # torch names neither the file nor, for a damaged one, a common type of error.
            problem = f"{path}: is no checkpoint of weights: {error}"
            raise CheckpointError(problem) from error
    if not isinstance(state, dict) or not all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in state.items()
    ):
        raise CheckpointError(f"{path}: holds no state dict; expected names and tensors")
    tensors.require_finite(state, path)
    return dict(state)
