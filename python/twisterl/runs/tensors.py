"""Named tensors as safetensors bytes: written once per storage, read as data nobody vouches for.

They are torch's, or arrays where the engine holds the weights.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Callable, Mapping
from io import BufferedReader, BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt

from twisterl.config.json import open_regular
from twisterl.memory import physical_bytes
from twisterl.on_demand import torch
from twisterl.runs import header
from twisterl.runs.digest import DIGEST, blanked, sealed
from twisterl.runs.errors import CheckpointError

# Metadata of ours: a JSON object {name: name of the tensor that it shares}.
TIED = "twisterl.tied"

Arrays = dict[str, npt.NDArray[Any]]
# A tensor of torch, or an array.
Tensors = Mapping[str, Any]
# What torch and numpy call the types of a file; numpy has no bfloat16.
_NAMES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}


def require_finite(tensors: Tensors, where: str) -> None:
    """Raises `CheckpointError` naming the first tensor that holds NaN or infinity."""
    for name, tensor in tensors.items():
        if not _is_floating(tensor):
            continue
        is_array = isinstance(tensor, np.ndarray)
        values = tensor if is_array else tensor.detach()
        # The sum of finite values may overflow, so a suspicious one is looked at closely.
        with np.errstate(over="ignore", invalid="ignore"):
            total = float(values.sum())
        if not math.isfinite(total):
            finite = np.isfinite(values) if is_array else torch.isfinite(values)
            bad = int((~finite).sum())
            if bad:
                count = math.prod(tensor.shape)
                raise CheckpointError(
                    f"{where}: tensor {name} has {bad} of {count} values "
                    "that are NaN or infinite; expected finite ones"
                )


def _is_floating(tensor: Any) -> bool:
    if isinstance(tensor, np.ndarray):
        return tensor.dtype.kind == "f"
    return bool(tensor.is_floating_point())


def encode(tensors: Tensors, metadata: Mapping[str, str] | None = None) -> bytes:
    """`tensors` as safetensors bytes; names that share one tensor are written once.

    The shared names go into the metadata, where `read` finds them, and so does a digest.
    """
    if all(isinstance(tensor, np.ndarray) for tensor in tensors.values()):
        from safetensors.numpy import save as save_arrays

        whole = {name: np.asarray(tensor, order="C") for name, tensor in tensors.items()}
        return sealed(save_arrays(whole), dict(metadata or {}))
    from safetensors.torch import save

    unique, tied = _unique(tensors)
    notes = dict(metadata or {})
    if tied:
        notes[TIED] = json.dumps(tied, sort_keys=True)
    return sealed(save(unique), notes)


def _unique(tensors: Mapping[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Tensors that share no storage, and the names of those that are another one whole."""
    unique: dict[str, torch.Tensor] = {}
    tied: dict[str, str] = {}
    seen: dict[tuple[Any, ...], str] = {}
    for name, tensor in tensors.items():
        tensor = tensor.detach()
        identity = (tensor.data_ptr(), tensor.dtype, tuple(tensor.shape), tensor.stride())
        if tensor.numel() and identity in seen:
            tied[name] = seen[identity]
            continue
        seen[identity] = name
        unique[name] = tensor.cpu()
    storages: set[int] = set()
    for name, tensor in unique.items():
        storage = tensor.untyped_storage().data_ptr()
        shares = storage in storages and tensor.numel() > 0
        storages.add(storage)
        unique[name] = tensor.clone() if shares else tensor.contiguous()
    return unique, tied


def opened(source: str) -> BufferedReader:
    """The regular file `source`, for reading; `CheckpointError` if it cannot be opened."""
    try:
        return open_regular(source)
    except FileNotFoundError as error:
        raise CheckpointError(f"{source}: no such file", error) from None
    except OSError as error:
        raise CheckpointError(f"{source}: cannot be read: {error.strerror}", error) from None


def read(path: str | os.PathLike[str]) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """The tensors, on the CPU, and the metadata of the safetensors file at `path`.

    Everything is checked before a tensor is made: a regular file, a header within the file and
    4 MiB, no duplicate names, no holes or overlaps, at most 10,000 tensors of rank 8, no NaN. If
    the metadata holds the digest that `encode` writes, which is not returned, the file is that one.
    specs/models.json has files of every kind, which all languages judge alike.

    Raises `CheckpointError` naming the file and the tensor.
    """
    return _read(path, _tensor)


def read_arrays(path: str | os.PathLike[str]) -> tuple[Arrays, dict[str, str]]:
    """As `read`, as arrays; bfloat16 becomes float32."""
    return _read(path, _array)


def notes(path: str | os.PathLike[str]) -> dict[str, str]:
    """The metadata of the safetensors file at `path`, whose tensors are not read.

    Raises `CheckpointError` as `read` does.
    """
    source = os.fspath(path)
    with opened(source) as file:
        content, _ = header.read_header(file, os.fstat(file.fileno()).st_size, source)
    return header.metadata_of(content, source)


def _tensor(buffer: npt.NDArray[np.uint8], dtype: str, shape: list[int]) -> torch.Tensor:
    # An empty buffer has no memory to share.
    flat = torch.from_numpy(buffer) if len(buffer) else torch.empty(0, dtype=torch.uint8)
    return flat.view(getattr(torch, _NAMES[dtype])).reshape(shape)


def _array(buffer: npt.NDArray[np.uint8], dtype: str, shape: list[int]) -> npt.NDArray[Any]:
    if dtype == "BF16":
        return (buffer.view(np.uint16).astype(np.uint32) << 16).view(np.float32).reshape(shape)
    return buffer.view(_NAMES[dtype]).reshape(shape)


def _read(
    path: str | os.PathLike[str], made: Callable[[npt.NDArray[np.uint8], str, list[int]], Any]
) -> tuple[dict[str, Any], dict[str, str]]:
    source = os.fspath(path)
    with opened(source) as file:
        tensors, metadata = _parsed(file, os.fstat(file.fileno()).st_size, source, made)
    require_finite(tensors, source)
    return _with_tied(tensors, metadata, source), metadata


def decode(content: bytes, source: str) -> tuple[Arrays, dict[str, str]]:
    """The arrays and the metadata of the safetensors bytes `content`, which may hold NaN.

    Raises `CheckpointError` naming `source`, as `read` does.
    """
    return _parsed(BytesIO(content), len(content), source, _array)


def _parsed(
    file: BufferedReader | BytesIO,
    size: int,
    source: str,
    made: Callable[[npt.NDArray[np.uint8], str, list[int]], Any],
) -> tuple[dict[str, Any], dict[str, str]]:
    content, data_bytes = header.read_header(file, size, source)
    metadata = header.metadata_of(content, source)
    layout = header.layout_of(content, data_bytes, source)
    available = physical_bytes()
    if available is not None and data_bytes > available:
        raise CheckpointError(
            f"{source}: holds {data_bytes} bytes of tensors; this machine has {available}"
        )
    digest = metadata.pop(DIGEST, None)
    file.seek(0)
    head = file.read(size - data_bytes)
    hasher = hashlib.sha256(head if digest is None else blanked(head, digest))
    tensors = {}
    for name, (dtype, shape, begin, end) in sorted(layout.items(), key=header.place):
        buffer = np.empty(end - begin, np.uint8)
        if end > begin and file.readinto(buffer.data) != end - begin:
            raise CheckpointError(f"{source}: tensor {name} is cut off")
        if digest is not None:
            hasher.update(buffer.data)
        tensors[name] = made(buffer, dtype, shape)
    if digest not in (None, hasher.hexdigest()):
        raise CheckpointError(f"{source}: is not what was written (its SHA-256 differs)")
    return tensors, metadata


def _with_tied(tensors: dict[str, Any], metadata: dict[str, str], source: str) -> dict[str, Any]:
    if TIED not in metadata:
        return tensors
    try:
        tied = header.parsed(metadata[TIED])
        shared = {str(name): tensors[target] for name, target in tied.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise CheckpointError(f"{source}: metadata {TIED} names no tensor of the file") from None
    if len(shared) > header.MAX_TENSORS:
        raise CheckpointError(
            f"{source}: metadata {TIED} has {len(shared)} names; "
            f"at most {header.MAX_TENSORS} are read"
        )
    twice = shared.keys() & tensors.keys()
    if twice:
        raise CheckpointError(f"{source}: metadata {TIED} repeats {', '.join(sorted(twice)[:3])}")
    return {**tensors, **shared}


def require_match(state: Tensors, expected: Tensors, source: str) -> None:
    """Raises `CheckpointError` listing every tensor that is missing, foreign or of another kind."""
    problems = [f"{name} is missing" for name in expected if name not in state]
    problems += [f"{name} is not part of the policy" for name in state if name not in expected]
    for name in state.keys() & expected.keys():
        got, wanted = state[name], expected[name]
        if got.shape != wanted.shape:
            problems.append(f"{name} has shape {list(got.shape)}; expected {list(wanted.shape)}")
        elif _is_floating(got) != _is_floating(wanted):
            problems.append(f"{name} has dtype {got.dtype}; expected {wanted.dtype}")
    if problems:
        lines = "".join(f"\n  {problem}" for problem in sorted(problems))
        problem = f"{source}: does not fit the policy:{lines}"
        raise CheckpointError(problem, RuntimeError(problem))
