"""Named tensors as safetensors bytes: written once per storage, read as data nobody vouches for."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from io import BufferedReader
from typing import Any

import torch
from safetensors.torch import save

from twisterl.config.json import open_regular
from twisterl.faults import InputError
from twisterl.memory import physical_bytes
from twisterl.runs.digest import DIGEST, blanked, sealed

# A header of 10,000 tensors has less than 2 MiB; what is read of one may take 16 times its size.
MAX_HEADER_BYTES = 4 << 20
# Of brackets and commas in a header, each of which may become an object.
MAX_HEADER_MARKS = 250_000
MAX_TENSORS = 10_000
MAX_RANK = 8
# Sizes, and products of sizes other than 0, are smaller: every JSON reader holds them exactly.
MAX_SIZE = 1 << 53
# Metadata of ours: a JSON object {name: name of the tensor that it shares}.
TIED = "twisterl.tied"

_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


class CheckpointError(InputError):
    """A checkpoint that cannot be used or must not be written; the text names file and tensor.

    It is an `OSError`, such as `FileNotFoundError`, too where the file cannot be opened, and a
    `RuntimeError` where the tensors do not fit the policy.
    """


def require_finite(tensors: Mapping[str, torch.Tensor], where: str) -> None:
    """Raises `CheckpointError` naming the first tensor that holds NaN or infinity."""
    for name, tensor in tensors.items():
        # The sum of finite values may overflow, so a suspicious one is looked at closely.
        if tensor.is_floating_point() and not math.isfinite(float(tensor.detach().sum())):
            bad = int((~torch.isfinite(tensor)).sum())
            if bad:
                raise CheckpointError(
                    f"{where}: tensor {name} has {bad} of {tensor.numel()} values "
                    "that are NaN or infinite; expected finite ones"
                )


def encode(tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str] | None = None) -> bytes:
    """`tensors` as safetensors bytes; names that share one tensor are written once.

    The shared names go into the metadata, where `read` finds them, and so does a digest.
    """
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
    notes = dict(metadata or {})
    if tied:
        notes[TIED] = json.dumps(tied, sort_keys=True)
    return sealed(save(unique), notes)


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
    source = os.fspath(path)
    with opened(source) as file:
        size = os.fstat(file.fileno()).st_size
        header, data_bytes = _header(file, size, source)
        metadata = _metadata(header, source)
        layout = _layout(header, data_bytes, source)
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
        for name, (dtype, shape, begin, end) in sorted(layout.items(), key=_place):
            buffer = torch.empty(end - begin, dtype=torch.uint8)
            if end > begin and file.readinto(buffer.numpy().data) != end - begin:
                raise CheckpointError(f"{source}: tensor {name} is cut off")
            if digest is not None:
                hasher.update(buffer.numpy().data)
            tensors[name] = buffer.view(dtype).reshape(shape)
    if digest not in (None, hasher.hexdigest()):
        raise CheckpointError(f"{source}: is not what was written (its SHA-256 differs)")
    require_finite(tensors, source)
    return _with_tied(tensors, metadata, source), metadata


def _place(tensor: tuple[str, tuple[Any, Any, int, int]]) -> tuple[int, int]:
    return tensor[1][2:]


def _header(file: BufferedReader, size: int, source: str) -> tuple[dict[str, Any], int]:
    start = file.read(8)
    if len(start) < 8:
        raise CheckpointError(f"{source}: is cut off: {size} bytes, too short for a header")
    length = int.from_bytes(start, "little")
    if length > MAX_HEADER_BYTES or 8 + length > size:
        raise CheckpointError(
            f"{source}: is cut off or no safetensors file: its header claims {length} bytes, "
            f"the file has {size}"
        )
    raw = file.read(length)
    if raw[:1] != b"{":
        raise CheckpointError(f"{source}: is no safetensors file: its header is no JSON object")
    try:
        header = _parsed(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{source}: its header is not JSON: {error}") from None
    return header, size - 8 - length


def _parsed(text: str) -> Any:
    """The JSON in `text`, read more strictly than Python does; `ValueError` if it is none."""
    marks = sum(map(text.count, "{[,"))
    if marks > MAX_HEADER_MARKS:
        raise ValueError(f"{marks} brackets and commas; at most {MAX_HEADER_MARKS} are read")
    return json.loads(text, object_pairs_hook=_members, parse_int=_natural)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, value in pairs:
        if name in result:
            raise ValueError(f"{name} is given more than once")
        for text in (name, value):
            if isinstance(text, str):
                text.encode()  # Python lets half a surrogate pair pass.
        result[name] = value
    return result


def _natural(digits: str) -> int | float:
    """An int for a natural number below 2^53 alone; -0 is none."""
    if digits[0] != "-" and len(digits) < 17 and int(digits) < MAX_SIZE:
        return int(digits)
    return float(digits)


def _metadata(header: dict[str, Any], source: str) -> dict[str, str]:
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise CheckpointError(f"{source}: __metadata__ is no object of strings")
    return metadata


def _layout(
    header: dict[str, Any], data_bytes: int, source: str
) -> dict[str, tuple[torch.dtype, list[int], int, int]]:
    if len(header) > MAX_TENSORS:
        raise CheckpointError(f"{source}: {len(header)} tensors; at most {MAX_TENSORS} are read")
    layout = {}
    for name, entry in header.items():
        if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
            raise CheckpointError(f"{source}: tensor {name} needs dtype, shape and data_offsets")
        dtype = _DTYPES.get(entry["dtype"]) if isinstance(entry["dtype"], str) else None
        shape, offsets = entry["shape"], entry["data_offsets"]
        if dtype is None:
            raise CheckpointError(
                f"{source}: tensor {name} has dtype {entry['dtype']!r}; "
                f"expected one of {', '.join(_DTYPES)}"
            )
        if not _naturals(shape) or len(shape) > MAX_RANK:
            raise CheckpointError(f"{source}: tensor {name} has the shape {shape!r}")
        if not _naturals(offsets) or len(offsets) != 2:
            raise CheckpointError(f"{source}: tensor {name} has the data_offsets {offsets!r}")
        if math.prod(size or 1 for size in shape) >= MAX_SIZE:
            raise CheckpointError(f"{source}: tensor {name} has the shape {shape!r}, too large")
        begin, end = offsets
        if end > data_bytes:
            raise CheckpointError(
                f"{source}: is cut off: tensor {name} ends at byte {end}, the data has {data_bytes}"
            )
        if end - begin != math.prod(shape) * dtype.itemsize:
            raise CheckpointError(
                f"{source}: tensor {name} of shape {shape} needs "
                f"{math.prod(shape) * dtype.itemsize} bytes, its data_offsets give {end - begin}"
            )
        layout[name] = (dtype, shape, begin, end)
    position = 0
    for name, (_, _, begin, end) in sorted(layout.items(), key=_place):
        if begin != position:
            raise CheckpointError(f"{source}: a hole or overlap before tensor {name}")
        position = end
    if position != data_bytes:
        raise CheckpointError(f"{source}: {data_bytes - position} bytes belong to no tensor")
    return layout


def _naturals(values: Any) -> bool:
    return isinstance(values, list) and all(type(n) is int and n >= 0 for n in values)


def _with_tied(
    tensors: dict[str, torch.Tensor], metadata: dict[str, str], source: str
) -> dict[str, torch.Tensor]:
    if TIED not in metadata:
        return tensors
    try:
        tied = _parsed(metadata[TIED])
        shared = {str(name): tensors[target] for name, target in tied.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise CheckpointError(f"{source}: metadata {TIED} names no tensor of the file") from None
    if len(shared) > MAX_TENSORS:
        raise CheckpointError(
            f"{source}: metadata {TIED} has {len(shared)} names; at most {MAX_TENSORS} are read"
        )
    twice = shared.keys() & tensors.keys()
    if twice:
        raise CheckpointError(f"{source}: metadata {TIED} repeats {', '.join(sorted(twice)[:3])}")
    return {**tensors, **shared}


def require_match(
    state: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor], source: str
) -> None:
    """Raises `CheckpointError` listing every tensor that is missing, foreign or of another kind."""
    problems = [f"{name} is missing" for name in expected if name not in state]
    problems += [f"{name} is not part of the policy" for name in state if name not in expected]
    for name in state.keys() & expected.keys():
        got, wanted = state[name], expected[name]
        if got.shape != wanted.shape:
            problems.append(f"{name} has shape {list(got.shape)}; expected {list(wanted.shape)}")
        elif got.is_floating_point() != wanted.is_floating_point():
            problems.append(f"{name} has dtype {got.dtype}; expected {wanted.dtype}")
    if problems:
        lines = "".join(f"\n  {problem}" for problem in sorted(problems))
        problem = f"{source}: does not fit the policy:{lines}"
        raise CheckpointError(problem, RuntimeError(problem))
