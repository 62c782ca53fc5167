"""The example notebooks run from the top and are committed without what a run leaves in them."""

from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def read(name):
    return pytest.importorskip("nbformat").read(EXAMPLES / name, as_version=4)


@pytest.fixture
def notebook():
    return read("puzzle.ipynb")


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebook_is_clean(path):
    for cell in read(path.name).cells:
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


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("alphazero", "32 simulations  solved 100.0%"),
        ("own_environment", "a lock keeps its promises"),
        ("circuit_synthesis", "SWAPs, {'method': "),
    ],
)
def test_other_notebooks_run(name, said, capsys, tmp_path, monkeypatch):
    """In this process, which has imported all: a kernel of their own each would take as long."""
    pytest.importorskip("torch")
    if name == "circuit_synthesis":
        pytest.importorskip("qiskit")
    monkeypatch.setenv("TWISTERL_CACHE", str(tmp_path))
    names = {"__name__": "__main__"}
    for cell in read(f"{name}.ipynb").cells:
        if cell.cell_type == "code":
            exec(compile(cell.source, name, "exec"), names)
    assert said in capsys.readouterr().out
    if name == "circuit_synthesis":
        return
    # The last cell shows a solution: a board before each of its moves, and after the last.
    replay = names["replay"]
    assert len(replay.pictures) == len(replay.names) + 1 and "<img" in replay._repr_html_()
