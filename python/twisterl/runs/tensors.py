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
from twisterl.memory import physical_bytes
from twisterl.runs import header
from twisterl.runs.digest import DIGEST, blanked, sealed
from twisterl.runs.errors import CheckpointError

# Metadata of ours: a JSON object {name: name of the tensor that it shares}.
TIED = "twisterl.tied"


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


def _with_tied(
    tensors: dict[str, torch.Tensor], metadata: dict[str, str], source: str
) -> dict[str, torch.Tensor]:
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
