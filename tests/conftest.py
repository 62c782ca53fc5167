"""What all tests share."""

import importlib.util
import os
import shutil
import signal
import sys

import pytest

# Pictures are drawn without a display.
os.environ.setdefault("MPLBACKEND", "Agg")
# Idle OpenMP threads that spin slow every other process on a busy machine.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@pytest.fixture(autouse=True, scope="session")
def own_state(tmp_path_factory):
    """Notes of trusted configs are made, and looked for, in a folder of the tests.

    What is prepared is kept nowhere.
    """
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))
    os.environ["TWISTERL_CACHE"] = "off"


@pytest.fixture(autouse=True, scope="session")
def seeds_of_the_cpu_alone():
    """Without a GPU torch keeps a traceback of each seed for every kind that there might be."""
    torch = sys.modules.get("torch")
    with pytest.MonkeyPatch.context() as patch:
        if torch is not None and not torch.accelerator.is_available():
            patch.setattr(torch, "manual_seed", torch.default_generator.manual_seed)
        yield


@pytest.fixture(autouse=True, scope="session")
def no_curves():
    """Runs draw no picture, a process and a second of each; tests of it ask for `curves`."""
    from twisterl import train

    drawing = train.draw_curve
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train, "draw_curve", lambda *_, **__: None)
        yield drawing


@pytest.fixture
def curves(no_curves, monkeypatch):
    """The runs of the test draw their pictures."""
    monkeypatch.setattr("twisterl.train.draw_curve", no_curves)


def pytest_ignore_collect(collection_path):
    """Examples of docstrings are sought in the package alone: other files here are programs."""
    if collection_path.suffix == ".py" and not collection_path.name.startswith("test_"):
        return True


def pytest_configure(config):
    # A shell that starts this in the background has it ignored: tests that are ended by it would go
    # on until the memory is full.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Tests that need torch or Mojo skip where it is missing; CI may not be such a place.
    if os.environ.get("REQUIRE_TORCH") == "1" and not importlib.util.find_spec("torch"):
        raise RuntimeError("REQUIRE_TORCH=1, but torch cannot be imported")
    # There is no Mojo for Windows.
    if os.environ.get("CI") == "true" and sys.platform != "win32" and not shutil.which("mojo"):
        raise RuntimeError("CI=true, but there is no mojo command")
