"""The header of a safetensors file, read as data nobody vouches for."""

from __future__ import annotations

import json
import math
from io import BufferedReader, BytesIO
from typing import Any

from twisterl.runs.errors import CheckpointError

# A header of 10,000 tensors has less than 2 MiB; what is read of one may take 16 times its size.
MAX_HEADER_BYTES = 4 << 20
# Of brackets and commas in a header, each of which may become an object.
MAX_HEADER_MARKS = 250_000
MAX_TENSORS = 10_000
MAX_RANK = 8
# Sizes, and products of sizes other than 0, are smaller: every JSON reader holds them exactly.
MAX_SIZE = 1 << 53
# Bytes of a number of each type.
_DTYPES = {"F64": 8, "F32": 4, "F16": 2, "BF16": 2, "I64": 8, "I32": 4, "I16": 2, "I8": 1}
_DTYPES |= {"U8": 1, "BOOL": 1}


def read_header(
    file: BufferedReader | BytesIO, size: int, source: str
) -> tuple[dict[str, Any], int]:
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
        header = parsed(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{source}: its header is not JSON: {error}") from None
    return header, size - 8 - length


def parsed(text: str) -> Any:
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


def metadata_of(header: dict[str, Any], source: str) -> dict[str, str]:
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(v, str) for v in metadata.values()):
        raise CheckpointError(f"{source}: __metadata__ is no object of strings")
    return metadata


def layout_of(
    header: dict[str, Any], data_bytes: int, source: str
) -> dict[str, tuple[str, list[int], int, int]]:
    if len(header) > MAX_TENSORS:
        raise CheckpointError(f"{source}: {len(header)} tensors; at most {MAX_TENSORS} are read")
    layout = {}
    for name, entry in header.items():
        if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
            raise CheckpointError(f"{source}: tensor {name} needs dtype, shape and data_offsets")
        dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        if not isinstance(dtype, str) or dtype not in _DTYPES:
            raise CheckpointError(
                f"{source}: tensor {name} has dtype {dtype!r}; expected one of {', '.join(_DTYPES)}"
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
        if end - begin != math.prod(shape) * _DTYPES[dtype]:
            raise CheckpointError(
                f"{source}: tensor {name} of shape {shape} needs "
                f"{math.prod(shape) * _DTYPES[dtype]} bytes, its data_offsets give {end - begin}"
            )
        layout[name] = (dtype, shape, begin, end)
    position = 0
    for name, (_, _, begin, end) in sorted(layout.items(), key=place):
        if begin != position:
            raise CheckpointError(f"{source}: a hole or overlap before tensor {name}")
        position = end
    if position != data_bytes:
        raise CheckpointError(f"{source}: {data_bytes - position} bytes belong to no tensor")
    return layout


def _naturals(values: Any) -> bool:
    return isinstance(values, list) and all(type(n) is int and n >= 0 for n in values)


def place(tensor: tuple[str, tuple[Any, Any, int, int]]) -> tuple[int, int]:
    """The bytes of an item of what `layout_of` gives."""
    return tensor[1][2:]
