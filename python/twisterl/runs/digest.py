"""The SHA-256 that a model file carries in its own metadata, so that a flipped bit is an error.

The text under `twisterl.sha256` is the SHA-256 of the whole file, in 64 hexadecimal digits, with
these digits read as zeros at the first place in the header where they stand. Python and Mojo write
and check it; a file without it, from elsewhere or from before, is read all the same.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import BinaryIO

DIGEST = "twisterl.sha256"
_BLANK = "0" * 64


def sha256_of(file: BinaryIO) -> str:
    """The SHA-256, in hexadecimal digits, of what is left to read of `file`."""
    hasher = hashlib.sha256()
    while part := file.read(1 << 20):
        hasher.update(part)
    return hasher.hexdigest()


def sealed(content: bytes, notes: Mapping[str, str]) -> bytes:
    """The safetensors file `content` with `notes` and the digest as its metadata; it had none."""
    start = 8 + int.from_bytes(content[:8], "little")
    # The library writes metadata in any order, and equal runs leave equal files.
    metadata = {**dict(sorted(notes.items())), DIGEST: _BLANK}
    header = {"__metadata__": metadata, **json.loads(content[8:start])}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    # Padded, as the format has it, so that the tensors are aligned.
    text += b" " * (-len(text) % 8)
    head, data = len(text).to_bytes(8, "little") + text, content[start:]
    hasher = hashlib.sha256(head)
    hasher.update(data)
    mark = f'"{DIGEST}":"'.encode()
    return head.replace(mark + _BLANK.encode(), mark + hasher.hexdigest().encode(), 1) + data


def blanked(head: bytes, digits: str) -> bytes:
    """`head`, all before the data, as it was hashed: with the `digits` that it holds as zeros."""
    return head.replace(digits.encode(errors="replace"), _BLANK.encode(), 1)
