"""Commands of ours as processes that share nothing but what they have imported."""

import io
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from multiprocessing.reduction import DupFd
from unittest import mock

# What commands import, training and its curve too: ten times the work of a small command.
IMPORTED = [
    "twisterl.cli.player",
    "twisterl.cli.solve",
    "twisterl.runs.training",
    "matplotlib.pyplot",
    "twisterl.runs.event_file",
]


def forked(
    words, *, module="twisterl", environment=None, before="", closed=(),
    stdout=subprocess.PIPE, stderr=subprocess.PIPE,
):  # fmt: skip
    """As `subprocess.run` of `python -m module` with `words`, sooner.

    Its process is a copy of one that has imported `IMPORTED` and done nothing. It has the variables
    of `environment` beside ours, runs the code `before` first, and begins with the descriptors
    `closed`. What is read of a stream has passed through a file.
    """
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    with ExitStack() as opened:
        streams = {0: opened.enter_context(open(os.devnull, "rb")), 1: stdout, 2: stderr}
        read = [n for n in (1, 2) if streams[n] == subprocess.PIPE]
        streams |= {n: opened.enter_context(tempfile.TemporaryFile()) for n in read}
        given = {n: _Descriptor(_number(streams[n])) for n in streams if n not in closed}
        variables = {**os.environ, **(environment or {})}
        arguments = (given, module, list(map(str, words)), variables, os.getcwd(), before)
        process = context.Process(target=_run, args=arguments)
        # Whoever has started the tests is else imported there first.
        with mock.patch.dict(sys.modules, __main__=sys.modules[__name__]):
            process.start()
        process.join(120)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired([module, *words], 120)
        texts = []
        for number in (1, 2):
            if number in read:
                streams[number].seek(0)
            texts.append(streams[number].read() if number in read else None)
    return subprocess.CompletedProcess([module, *words], process.exitcode, *texts)


def _number(stream):
    return stream if isinstance(stream, int) else stream.fileno()


class _Descriptor:
    """One of this process, which is open in the one that this is an argument of."""

    def __init__(self, number):
        self.number = number

    def __getstate__(self):
        return DupFd(self.number)

    def __setstate__(self, inherited):
        self.number = inherited.detach()


def _run(given, module, words, variables, folder, before):
    os.environ.clear()
    os.environ.update(variables)
    os.chdir(folder)
    for number in (0, 1, 2):
        if number in given:
            os.dup2(given[number].number, number)
            os.close(given[number].number)
        else:
            os.close(number)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        stream = _stream(number) if number in given else None
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    # As `-m` does.
    sys.path.insert(0, folder)
    exec(before, {})
    sys.argv = [module, *words]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _stream(number):
    """A standard stream as Python begins with it in this environment."""
    encoding, _, errors = os.environ.get("PYTHONIOENCODING", "").partition(":")
    unbuffered = number > 0 and bool(os.environ.get("PYTHONUNBUFFERED"))
    mode = "wb" if number else "rb"
    return io.TextIOWrapper(
        open(number, mode, buffering=0 if unbuffered else -1, closefd=False),
        encoding or "utf-8",
        "backslashreplace" if number == 2 else errors or "strict",
        line_buffering=number == 2,
        write_through=unbuffered,
    )
