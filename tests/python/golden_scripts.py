"""The scripts of tests/reference that write golden files by torch."""

import runpy
from pathlib import Path

import pytest

REFERENCE = Path(__file__).parents[1] / "reference"


def checked(name):
    """The status of the script with --check, run in this process, which has imported torch."""
    path = str(REFERENCE / name)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr("sys.argv", [path, "--check"])
        runpy.run_path(path, run_name="__main__")
    return ended.value.code
