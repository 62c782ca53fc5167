"""Damaged model files, judged by every reader: Python's, Rust's and Mojo's.

    python tests/parity/models.py                           10^6 files
    python tests/parity/models.py --count 1e4 --seed 7      fewer, others
    python tests/parity/models.py --seed 7 --only 123       one, and what each reader says of it

All must accept the same files and read the same from them, and none may accept what the library
`safetensors` refuses. `make parity` judges the files of specs/models.json and some thousand more.
"""

from __future__ import annotations

import argparse
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import mutants
from difference import Difference
from port import Request
from ports import Port, open_ports

TASK = "models"
CHUNK = 100_000


def judged(ports: dict[str, Port], count: int, seed: int) -> tuple[str, list[Difference]]:
    """The corpus, files on the limits, and `count` damaged ones."""
    known = [*mutants.corpus(), *mutants.large()]
    wanted = [accepted for _, accepted, _ in known]
    differences, accepted = [], 0
    for name, verdicts in ask(ports, (content for *_, content in known)).items():
        for (title, expected, _), verdict in zip(known, verdicts, strict=True):
            if (verdict is not None) != expected:
                what = "accepted" if expected else "refused"
                differences.append(Difference(name, f"model file {title!r}: expected {what}"))
    readers = [name for name, each in ports.items() if each.has(TASK, None)]
    if not readers:
        return "model files: no port reads them", []
    files = mutants.Mutants(seed)
    for start in range(0, count, CHUNK):
        numbers = range(start, min(start + CHUNK, count))
        found = ask(ports, map(files.file, numbers))
        for number, verdicts in zip(numbers, zip(*found.values(), strict=True), strict=True):
            accepted += verdicts[0] is not None
            if len(set(verdicts)) > 1:
                said = ", ".join(f"{n}: {v}" for n, v in zip(found, verdicts, strict=True))
                name = min(found, key=lambda name: found[name][number - start] is None)
                differences.append(Difference(name, f"model file {seed}/{number}: {said}"))
    total = len(wanted) + count
    title = f"model files: {total:,}, {accepted:,} of the damaged accepted"
    return f"{title}: {', '.join(readers)}", differences


def ask(ports: dict[str, Port], files: Iterable[bytes]) -> dict[str, list[str | None]]:
    """The verdicts of each port that reads models; refused files are None."""
    with tempfile.TemporaryDirectory() as folder:
        pack = Path(folder) / "pack"
        with pack.open("wb") as file:
            for content in files:
                file.write(struct.pack("<I", len(content)) + content)
        request = {"task": TASK, "pack": str(pack)}
        readers = {name: each for name, each in ports.items() if each.has(TASK, None)}
        with ThreadPoolExecutor() as pool:
            answers = pool.map(lambda each: each.ask(request)["verdicts"], readers.values())
            return dict(zip(readers, answers, strict=True))


# The port in Python.


def verdicts(request: Request) -> Request:
    """A digest of what is read of each file of a pack, None for a refused one."""
    found = []
    with tempfile.TemporaryDirectory() as folder, open(request["pack"], "rb") as pack:
        path = Path(folder) / "model.safetensors"
        while length := pack.read(4):
            path.write_bytes(pack.read(int.from_bytes(length, "little")))
            found.append(verdict(path))
    return {"verdicts": found}


def verdict(path: Path, say: Callable[[str], object] = lambda text: None) -> str | None:
    import safetensors
    import torch
    from twisterl.runs import tensors

    try:
        read, metadata = tensors.read(path)
    except tensors.CheckpointError as error:
        say(str(error))
        return None
    except Exception as error:
        return f"raised {error!r}"
    try:
        safetensors.deserialize(path.read_bytes())
    except safetensors.SafetensorError as error:
        return f"accepted what safetensors refuses: {error}"
    if any(value.dtype != torch.float32 for value in read.values()):
        say("not all F32")
        return None
    return digest(read, metadata)


def digest(read: dict[str, Any], metadata: dict[str, str]) -> str:
    """Joins the words of the tensors by name, then of the metadata."""
    text = b""
    for name, value in sorted(read.items(), key=lambda item: item[0].encode()):
        sizes = struct.pack(f"<{1 + value.ndim}Q", value.ndim, *value.shape)
        text += name.encode() + b"\0" + sizes + value.numpy().tobytes()
    for key, note in sorted(metadata.items(), key=lambda item: item[0].encode()):
        text += key.encode() + b"\0" + note.encode() + b"\0"
    text += bytes(-len(text) % 8)
    joined = 0
    for word in struct.unpack(f"<{len(text) // 8}Q", text):
        mixed = joined ^ word
        joined = ((mixed << 23 | mixed >> 41) * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
    return f"{joined:016x}"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=float, default=1e6, help="files (1e6)")
    parser.add_argument("--seed", type=int, default=0, help="chooses the files (0)")
    parser.add_argument("--only", type=int, metavar="N", help="file N alone")
    parser.add_argument("--ports", nargs="+", default=["bindings", "rust", "mojo"])
    options = parser.parse_args()
    ports, skipped = open_ports(options.ports)
    for reason in skipped:
        print(f"skipped: {reason}")
    if options.only is not None:
        return show(ports, mutants.Mutants(options.seed).file(options.only))
    begin = time.monotonic()
    line, differences = judged(ports, int(options.count), options.seed)
    for difference in differences[:30]:
        print(f"DIFFERENT  {difference}")
    print(f"{line}; {len(differences)} differences, {time.monotonic() - begin:.0f} s")
    return 1 if differences else 0


def show(ports: dict[str, Port], content: bytes) -> int:
    """One file, and what each reader says of it."""
    print(content)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        path.write_bytes(content)
        verdict(path, print)
    for name, found in ask(ports, [content]).items():
        print(f"{name}: {found[0] or 'refused'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
