"""A process on a disk that fails: `failing_disk.py LIBRARY CONFIG FOLDER STEP`, under LD_PRELOAD.

Trains two iterations again and again; the n-th call that changes files fails, for n = 1, 2, ...
until none does, once with EIO. Every STEP-th run is finished after that, and for every STEP-th n
all calls from there on fail with ENOSPC.
"""

import ctypes
import errno
import io
import itertools
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from shutil import rmtree

from twisterl import cli
from twisterl.runs import tensors
from twisterl.runs.errors import RunFolderError
from twisterl.runs.folder import BEST, LAST, RunFolder
from twisterl.train import Options, Training


def run(words):
    """The status, and what was said on standard error."""
    said = io.StringIO()
    with redirect_stdout(io.StringIO()), redirect_stderr(said):
        status = cli.main(words)
    return status, said.getvalue()


def finish(config, place, saved):
    """Goes on, or starts anew where nothing was saved; without a curve, which takes a second."""
    go_on = Options(config, str(place), num_steps=2, resume=bool(saved), overwrite=not saved)
    training = Training(go_on)
    training.start()
    training.learn()


def train(disk, config, place, number, code, for_good, finishes):
    """Whether the disk failed; asserts that this harmed nothing and was said."""
    rmtree(place, ignore_errors=True)
    words = ["train", "--config", config, "--num_steps", "2", "--run_path", str(place)]
    disk.disk_arm(str(place).encode(), ctypes.c_long(number), code, for_good)
    status, said = run(words)
    if disk.disk_disarm() < number:
        assert status == 0 and RunFolder(place).last_iteration() == 2, said
        return False
    where = f"call {number}, {errno.errorcode[code]}: status {status}: {said}"
    assert status == 1, where
    assert said.startswith("error: ") or "\nerror: " in said, where
    assert str(place) in said and "Traceback" not in said, where
    # Where every further call fails too, nothing can be cleaned up.
    assert for_good or not list(place.rglob("*.tmp-*")), where
    for name in (LAST, BEST):
        if (place / name).exists():
            tensors.read(place / name)
    try:
        saved = RunFolder(place).load_commit().state["iteration"]
    except RunFolderError:
        saved = None
        assert RunFolder(place).last_iteration() is None, where
    if finishes:
        finish(config, place, saved)
        assert RunFolder(place).last_iteration() == 2, where
        assert not list(place.rglob("*.tmp-*")), where
    return True


def main():
    library, config, folder, step = *sys.argv[1:4], int(sys.argv[4])
    disk = ctypes.CDLL(library)
    disk.disk_disarm.restype = ctypes.c_long
    place = Path(folder) / "run"
    for number in itertools.count(1):
        if not train(disk, config, place, number, errno.EIO, 0, number % step == 0):
            break
    for some in range(1, number, step):
        train(disk, config, place, some, errno.ENOSPC, 1, True)
    print(number - 1)


if __name__ == "__main__":
    main()
