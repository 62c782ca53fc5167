"""All tests of the port, and its programs that other tests run: what they share is compiled once.

The program does what its name says: scripts/mojo_tests.py builds it and gives it all of them.
"""

from std.sys import argv

from parity import main as parity
from test_config import main as config
from test_es import main as es
from test_puzzle import main as puzzle
from test_rng import main as rng
from test_run import main as run
from test_sha256 import main as sha256
from test_signature import main as signature
from test_weights import main as weights
from train_puzzle import main as train_puzzle


def main() raises:
    var name = String(argv()[0])
    if name.endswith("train_puzzle"):
        train_puzzle()
        return
    if name.endswith("parity"):
        parity()
        return
    rng()
    sha256()
    puzzle()
    config()
    weights()
    es()
    run()
    # Leaves the mark of a signal behind.
    signature()
