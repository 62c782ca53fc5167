"""All tests of the port in one program, which compiles what they share once."""

from test_config import main as config
from test_es import main as es
from test_puzzle import main as puzzle
from test_rng import main as rng
from test_run import main as run
from test_sha256 import main as sha256
from test_signature import main as signature
from test_weights import main as weights


def main() raises:
    rng()
    sha256()
    puzzle()
    config()
    weights()
    es()
    run()
    # Leaves the mark of a signal behind.
    signature()
