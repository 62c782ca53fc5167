"""How files are written, flush by flush, and which names a run folder refuses."""

import os

import pytest

torch = pytest.importorskip("torch")

from twisterl.runs import tensors  # noqa: E402
from twisterl.runs.files import write_atomic  # noqa: E402
from twisterl.runs.folder import RunFolder, RunFolderError  # noqa: E402

LEFT_BY_A_RUN = [
    "base_config.json",
    "full_algorithm_config.json",
    "checkpoint_last.safetensors",
    "checkpoint_best.safetensors",
    "metrics.jsonl",
    "resume",
]


@pytest.mark.skipif(os.name == "nt", reason="folders of Windows are not flushed")
def test_a_file_is_flushed_before_it_has_its_name_and_its_folder_after(tmp_path, monkeypatch):
    done = []
    fsync, replace = os.fsync, os.replace

    def flush(descriptor):
        done.append(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    def rename(source, target):
        done.append("renamed")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", flush)
    monkeypatch.setattr(os, "replace", rename)
    write_atomic(tmp_path / "file", b"content")
    file, folder = (os.stat(path).st_ino for path in (tmp_path / "file", tmp_path))
    assert done == [file, "renamed", folder]


@pytest.mark.parametrize("name", LEFT_BY_A_RUN)
def test_whatever_a_run_has_left_is_one(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(RunFolderError, match="already holds a run; --overwrite drops it"):
        RunFolder(tmp_path).require_usable(resume=False, overwrite=False)


@pytest.mark.skipif(os.name == "nt", reason="links of POSIX")
@pytest.mark.parametrize("name", [*LEFT_BY_A_RUN, "learning_curve.png", "lock"])
def test_no_name_of_a_run_may_be_a_link(tmp_path, name):
    (tmp_path / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunFolderError, match=f"{name}: is a symbolic link"):
        RunFolder(tmp_path).require_usable(resume=False, overwrite=True)


def test_equal_models_are_equal_files_in_whatever_order_notes_come():
    notes = {"c": "1", "a": "2", "b": "3"}
    weights = {"w": torch.ones(2)}
    again = dict(reversed(notes.items()))
    assert tensors.encode(weights, notes) == tensors.encode(weights, again)


def test_tensors_without_numbers_share_nothing(tmp_path):
    empty = torch.zeros(0, 3)
    write_atomic(tmp_path / "model", tensors.encode({"a": empty, "b": empty}))
    found, notes = tensors.read(tmp_path / "model")
    assert found.keys() == {"a", "b"} and not notes


def test_a_header_that_ends_after_the_file_is_cut_off(tmp_path):
    # No tensor: the header is all there is.
    (tmp_path / "model").write_bytes(tensors.encode({})[:-4])
    with pytest.raises(tensors.CheckpointError, match="is cut off"):
        tensors.read(tmp_path / "model")


def test_the_checkpoint_that_is_asked_for_comes_first(tmp_path):
    folder = RunFolder(tmp_path)
    (tmp_path / "checkpoint_last.safetensors").touch()
    assert folder.weights_path("best") == tmp_path / "checkpoint_last.safetensors"
    (tmp_path / "checkpoint_best.safetensors").touch()
    for which in ("best", "last"):
        assert folder.weights_path(which) == tmp_path / f"checkpoint_{which}.safetensors"
