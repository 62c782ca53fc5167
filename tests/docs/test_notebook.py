"""The example notebook runs from the top and is committed without what a run leaves in it."""

from pathlib import Path

import pytest

PATH = Path(__file__).resolve().parents[2] / "examples" / "puzzle.ipynb"


@pytest.fixture
def notebook():
    return pytest.importorskip("nbformat").read(PATH, as_version=4)


def test_notebook_is_clean(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


def test_notebook_trains_solves_and_draws(notebook, tmp_path, monkeypatch):
    pytest.importorskip("torch")
    nbclient = pytest.importorskip("nbclient")
    monkeypatch.delenv("MPLBACKEND")  # the kernel then draws into the notebook
    client = nbclient.NotebookClient(
        notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}
    )
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert any("moves:" in output.get("text", "") for output in outputs)
    assert any("image/png" in output.get("data", {}) for output in outputs)
