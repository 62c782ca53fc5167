"""Trainings as a user starts them, for the tests of run folders."""

import subprocess
import sys

from twisterl import cli
from twisterl.train import Options, Training

MODULE = [sys.executable, "-m", "twisterl.train"]
# Code after which a process draws no curve, by another process and in a second.
NO_CURVE = "from twisterl import train; train.draw_curve = lambda *_, **__: None"
WITHOUT_CURVE = [
    sys.executable,
    "-c",
    f"import sys; {NO_CURVE}; from twisterl import cli; cli.entry(['train', *sys.argv[1:]])",
]


def train(config_file, run, *words):
    return cli.main(["train", "--config", str(config_file), "--run_path", str(run), *words])


def trained(config_file, run, **options):
    """As `train`, without the curve, which takes a second."""
    training = Training(Options(str(config_file), str(run), **options))
    training.start()
    training.learn()


def broken_off(config_file, run):
    """As `trained`, but ended after three iterations of six."""
    training = Training(Options(str(config_file), str(run), num_steps=6))
    training.start()
    with training._held:
        training.algorithm.learn(3)


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def begun(config_file, run, *words):
    """A training process that has played two iterations of an endless run."""
    child = subprocess.Popen(
        [*WITHOUT_CURVE, "--config", str(config_file), "--run_path", str(run), *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    for _ in range(2):
        assert child.stdout.readline().startswith("iteration")
    return child
