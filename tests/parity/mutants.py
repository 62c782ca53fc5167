"""Damaged and hostile model files: safetensors that are changed a little, at many places at once.

File `i` of a seed is the same on every machine: `Mutants(seed).file(i)`.
"""

from __future__ import annotations

import json
import math
import random
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

CORPUS = Path(__file__).resolve().parents[2] / "specs" / "models.json"
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*|\s+|\w+|.', re.DOTALL)
_NUMBERS = [
    *(str(n) for n in (0, 1, 2, 3, 4, 8, 9, 12, 16, 2**31, 2**32, 2**40, 2**53 - 1, 2**53)),
    *(str(n) for n in (2**61, 2**62, 2**63, 2**64 - 1, 2**64, 10**15, 10**16, 10**30)),
    *("-0", "-1", "1.0", "4e0", "1e999", "00", "01", "+1", "0x1", "NaN", "Infinity", "9" * 5000),
]
_STRINGS = [
    *('"F32"', '"F64"', '"F16"', '"BF16"', '"I32"', '"U8"', '"f32"', '"F\\u00332"', '""'),
    *('"dtype"', '"shape"', '"data_offsets"', '"__metadata__"', '"twisterl.tied"', '"more"'),
    *('"\\ud800"', '"\\ud83d\\ude00"', '"\\udc00\\ud800"', '"\\u0000"', '"\x01"', '"\\x"', "'a'"),
    *('"{}"', '"{\\"t\\": \\"a.bias\\"}"', '"{\\"t\\": \\"b\\", \\"t\\": \\"c\\"}"', '"[]"'),
]
_VALUES = ["null", "true", "{}", "[]", "[1]", "[[]]", '{"a":1}', "[" * 70 + "]" * 70, "[" * 2000]
_WORDS = [0x7FC00000, 0x7F800000, 0xFF800000, 0x7F800001, 0x80000000, 0x7F7FFFFF, 1]


def encode(header: str | bytes, data: bytes = b"") -> bytes:
    """A file of this header and data."""
    text = header if isinstance(header, bytes) else header.encode("utf-8", "surrogatepass")
    return struct.pack("<Q", len(text)) + text + data


def model(tensors: dict[str, list[int]], metadata: dict[str, str] | None = None) -> bytes:
    """A file of F32 tensors of these shapes, whose values count up."""
    header: dict[str, Any] = {} if metadata is None else {"__metadata__": metadata}
    end = 0
    for name, shape in tensors.items():
        begin, end = end, end + 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False)
    return encode(
        text + " " * (-len(text.encode()) % 8), struct.pack(f"<{end // 4}f", *range(end // 4))
    )


def corpus() -> list[tuple[str, bool, bytes]]:
    """Name, whether it is accepted, and content of each file in specs/models.json."""
    return [
        (case["name"], case["accepted"], _content(case)) for case in json.loads(CORPUS.read_text())
    ]


def _content(case: dict[str, Any]) -> bytes:
    if "bytes" in case:
        return bytes.fromhex(case["bytes"])
    return encode(case["header"], bytes.fromhex(case.get("data", "")))


def large() -> list[tuple[str, bool, bytes]]:
    """Files on both sides of each limit."""

    def many(count: int) -> bytes:
        return model({f"t{i}": [] for i in range(count)})

    def tied(count: int) -> bytes:
        names = json.dumps({f"t{i}": "a" for i in range(count)})
        return model({"a": [1]}, {"twisterl.tied": names})

    def marks(count: int) -> bytes:
        return encode('{"__metadata__":{"a":"' + "," * (count - 2) + '"}}')

    def padded(length: int) -> bytes:
        return encode("{}" + " " * (length - 2))

    def ranked(rank: int) -> bytes:
        return model({"a": [1] * rank})

    names = ",".join(f'"{i}":1' for i in range(100_000))
    escaped = "\\u005b" + "\\u005b\\u005d\\u002c" * 200_000
    return [
        *((f"{count} tensors", count <= 10_000, many(count)) for count in (10_000, 10_001)),
        *((f"{count} tied names", count <= 10_000, tied(count)) for count in (10_000, 10_001)),
        *((f"{count} marks", count <= 250_000, marks(count)) for count in (250_000, 250_001)),
        *((f"a header of {n}", n <= 2**22, padded(n)) for n in (2**22, 2**22 + 1)),
        *((f"rank {rank}", rank <= 8, ranked(rank)) for rank in (8, 9)),
        ("empty lists", False, encode('{"a":[' + "[]," * 1_300_000 + "[]]}")),
        ("many notes", False, encode('{"__metadata__":{"":""' + ',"a":""' * 500_000 + "}}")),
        ("many names twice", False, encode("{" + names + "," + names + "}")),
        ("a long note", True, model({}, {"a": "a" * (2**22 - 100) + "😀"})),
        ("escaped lists", False, encode('{"__metadata__":{"twisterl.tied":"' + escaped + '"}}')),
    ]


class Mutants:
    """The damaged files of `seed`, numbered from 0."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._bases = [content for _, _, content in corpus()] + [
            model({"a.weight": [2, 3], "a.bias": [2], "b": [], "c": [0, 2], "d": [1] * 8}),
            model({"z": [3], "a": [2]}, {"k": "v", "twisterl.tied": '{"y": "z", "x": "a"}'}),
            model({'é\n"': [1], "😀": [1]}, {"ü": "\\"}),
            model({f"layer.{i}": [i % 3] for i in range(12)}),
        ]
        policy = {"embeddings.weight": [2, 3], "embeddings.bias": [2], "action.0.weight": [2, 2]}
        policy |= {"action.0.bias": [2], "value.0.weight": [1, 2], "value.0.bias": [1]}
        self._bases += 4 * [model(policy)]

    def file(self, number: int) -> bytes:
        rng = random.Random(f"{self._seed} {number}")
        content = rng.choice(self._bases)
        for _ in range(rng.choice((1, 1, 1, 1, 2, 3))):
            change: Callable[[random.Random, bytes], bytes] = rng.choice(
                (_header, _header, _header, _header, _bytes, _length, _data, self._splice)
            )
            content = change(rng, content)
        return content

    def _splice(self, rng: random.Random, content: bytes) -> bytes:
        other = rng.choice(self._bases)
        return content[: rng.randrange(len(content) + 1)] + other[rng.randrange(len(other) + 1) :]


def _split(content: bytes) -> tuple[bytes, bytes]:
    length = int.from_bytes(content[:8], "little")
    return content[8 : 8 + length], content[8 + length :]


def _header(rng: random.Random, content: bytes) -> bytes:
    """The header as tokens, of which some change; its length fits, the data mostly too."""
    raw, data = _split(content)
    tokens = _TOKEN.findall(raw.decode("utf-8", "replace"))
    for _ in range(rng.choice((1, 1, 2))):
        _change(rng, tokens)
    text = "".join(tokens)
    if rng.random() < 0.5:
        ends = [int(n) for n in re.findall(r"\[\d{1,9},(\d{1,5})\]", text)]
        wanted = max(ends, default=0)
        data = (data + bytes(wanted))[:wanted]
    return encode(text, data)


def _change(rng: random.Random, tokens: list[str]) -> None:
    places = [i for i, token in enumerate(tokens) if rng.random() < 0.7 or token.isdigit()]
    if not places:
        tokens.append("{}")
        return
    place = rng.choice(places)
    token = tokens[place]
    kind = rng.randrange(11)
    if kind > 7:
        place = rng.choice([i for i in places if tokens[i][0] in '"0123456789'] or places)
        tokens[place] = _respelled(rng, tokens[place])
    elif kind == 0:
        del tokens[place]
    elif kind == 1:
        tokens.insert(place, token)
    elif kind == 2:
        other = rng.choice(places)
        tokens[place], tokens[other] = tokens[other], token
    elif kind == 3:
        tokens[place] = rng.choice(_VALUES)
    elif kind == 4:
        tokens.insert(place, rng.choice((" ", "\n", "\t", "\v", "\xa0", ",", "\0", "\ufeff")))
    elif token.isdigit():
        near = str(max(0, int(token[:15]) + rng.choice((-4, -1, 1, 4))))
        tokens[place] = rng.choice((near, near, rng.choice(_NUMBERS)))
    elif token.startswith('"'):
        ours = [other for other in tokens if other.startswith('"')]
        tokens[place] = rng.choice(_STRINGS + ours)
    else:
        start = rng.choice([i for i in range(len(tokens) + 1) if abs(i - place) < 20])
        tokens[place:place] = tokens[min(start, place) : max(start, place)]


def _respelled(rng: random.Random, token: str) -> str:
    """The same number or string in another way, not all of which are JSON or are integers."""
    if token.isdigit():
        forms = [f"{token}.0", f"{token}e0", f"0{token}", f"+{token}", f"-{token}", f'"{token}"']
        return rng.choice([*forms, "-0", f"{token}0e-1", f"[{token}]"])
    if token.startswith('"') and len(token) > 2 and "\\" not in token:
        inside = rng.randrange(1, len(token) - 1)
        code = f"\\u{ord(token[inside]) & 0xFFFF:04x}"
        code = rng.choice((code, code.upper().replace("U", "u"), token[inside] + "\\/"))
        return token[:inside] + code + token[inside + 1 :]
    return f" {token} "


def _bytes(rng: random.Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8))):
        if changed:
            changed[rng.randrange(len(changed))] = rng.choice((rng.randrange(256), 0, 255, 34, 44))
    return bytes(changed)


def _length(rng: random.Random, content: bytes) -> bytes:
    """Cut off, made longer, or another length of the header."""
    kind = rng.randrange(3)
    if kind == 0:
        return content[: rng.randrange(len(content) + 1)]
    if kind == 1:
        return content + bytes(rng.choice((1, 3, 4, 8, 100)))
    length = int.from_bytes(content[:8], "little") + rng.choice((-8, -1, 1, 8, 2**31, 2**63))
    return struct.pack("<Q", length % 2**64) + content[8:]


def _data(rng: random.Random, content: bytes) -> bytes:
    """Other values, NaN and infinity among them."""
    header, data = _split(content)
    if len(data) < 4:
        return content
    place = rng.randrange(len(data) // 4) * 4
    word = struct.pack("<I", rng.choice((*_WORDS, rng.getrandbits(32))))
    return encode(header, data[:place] + word + data[place + 4 :])
