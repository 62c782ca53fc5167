"""Checkpoints: what is read, what is refused, and that nothing is ever half written."""

import json
import os
import struct
import sys
import tracemalloc
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from twisterl.runs import tensors  # noqa: E402
from twisterl.runs.commits import Commit  # noqa: E402
from twisterl.runs.errors import CheckpointError, RunFolderError  # noqa: E402
from twisterl.runs.files import write_atomic  # noqa: E402
from twisterl.runs.folder import BEST, LAST, RunFolder  # noqa: E402

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "parity"))
import mutants  # noqa: E402


def raw(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(shape=(2,), begin=0, end=8, dtype="F32"):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


def commit(value=1.0, iteration=3):
    state = {"iteration": iteration}
    return Commit({"w": torch.full((2,), value)}, {"m": torch.zeros(2)}, state)


def test_what_is_written_is_read(tmp_path):
    given = {
        "a.weight": torch.randn(3, 4),
        "b": torch.arange(5),
        "c": torch.tensor(True),
        "empty": torch.empty(0, 3),
        "transposed": torch.randn(3, 4).t(),
    }
    path = tmp_path / "x.safetensors"
    path.write_bytes(tensors.encode(given, {"note": "x"}))
    got, metadata = tensors.read(path)
    assert metadata == {"note": "x"}
    assert got.keys() == given.keys()
    for name, value in given.items():
        assert torch.equal(got[name], value) and got[name].dtype == value.dtype


def test_the_library_reads_ours(tmp_path):
    from safetensors.torch import load_file

    path = tmp_path / "x.safetensors"
    path.write_bytes(tensors.encode({"w": torch.ones(2)}))
    assert torch.equal(load_file(path)["w"], torch.ones(2))


def test_tied_tensors_are_written_once(tmp_path):
    weight = torch.randn(100, 10)
    content = tensors.encode({"a": weight, "b": weight, "row": weight[3]})
    assert len(content) < 1.5 * weight.numel() * 4
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    got, _ = tensors.read(path)
    assert torch.equal(got["b"], weight) and torch.equal(got["row"], weight[3])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "too short"),
        (b"1234567", "too short"),
        (struct.pack("<Q", 1 << 60), "claims"),
        (struct.pack("<Q", 100) + b"{}", "claims"),
        (raw(b" {}"), "no JSON object"),
        (raw(b"{"), "not JSON"),
        (raw(b"{" + b'"a":[' * 100_000), "not JSON"),
        (raw(b'{"\xff": 1}'), "not JSON"),
        (raw(b'{"w": {}, "w": {}}'), "w is given more than once"),
        (raw({"w": 3}), "tensor w needs"),
        (raw({"w": entry(dtype="F31")}, b"\0" * 8), "tensor w has dtype"),
        (raw({"w": entry(dtype=["F32"])}, b"\0" * 8), "tensor w has dtype"),
        (raw({"w": entry(shape=[-2])}, b"\0" * 8), "tensor w has the shape"),
        (raw({"w": entry(shape=[1] * 9, end=4)}, b"\0" * 4), "tensor w has the shape"),
        (raw({"w": entry(shape=[True, 2])}, b"\0" * 8), "tensor w has the shape"),
        (raw({"w": entry(shape=[1 << 61, 1 << 61])}, b"\0" * 8), "tensor w has the shape"),
        (raw({"w": entry(shape=[1 << 40, 1 << 40])}, b"\0" * 8), "too large"),
        (raw({"w": entry(end=12)}, b"\0" * 12), "tensor w of shape"),
        (raw({"w": entry()}, b"\0" * 7), "cut off: tensor w"),
        (raw({"w": entry()}, b"\0" * 9), "1 bytes belong to no tensor"),
        (raw({"w": entry(), "v": entry()}, b"\0" * 8), "hole or overlap"),
        (raw({"w": entry(begin=8, end=16)}, b"\0" * 16), "hole or overlap"),
        (raw({"__metadata__": {"a": 3}}), "__metadata__"),
        (raw({"__metadata__": {tensors.TIED: '{"a": "b"}'}}), "names no tensor"),
        (raw({"w": entry()}, struct.pack("<ff", 1, float("nan"))), "tensor w has 1 of 2 values"),
        (raw({"w": entry()}, struct.pack("<ff", 1, float("inf"))), "tensor w has 1 of 2 values"),
    ],
)
def test_damaged_files_are_refused(tmp_path, content, said):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=said) as caught:
        tensors.read(path)
    assert str(path) in str(caught.value)


def test_finite_values_whose_sum_overflows_are_fine(tmp_path):
    path = tmp_path / "x.safetensors"
    path.write_bytes(tensors.encode({"w": torch.full((4,), 3e38)}))
    tensors.read(path)


def test_a_file_beyond_the_memory_is_refused_before_it_is_read(tmp_path):
    path, size = tmp_path / "large.safetensors", 1 << 42
    path.write_bytes(raw({"w": entry([size], 0, size, "U8")}))
    try:
        os.truncate(path, path.stat().st_size + size)
    except OSError as error:
        pytest.skip(f"no such file here: {error}")
    with pytest.raises(CheckpointError, match=f"holds {size} bytes of tensors; this machine has"):
        tensors.read(path)


def test_what_is_no_file_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="no such file"):
        tensors.read(tmp_path / "nothing")
    with pytest.raises(CheckpointError, match="regular file"):
        tensors.read(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(CheckpointError, match="regular file"):
            tensors.read(tmp_path / "pipe")


def test_hostile_files_are_refused_in_little_memory(tmp_path):
    """Those of the corpus and on the limits; tests/parity/models.py damages many more."""
    path = tmp_path / "x.safetensors"
    for name, accepted, content in [*mutants.corpus(), *mutants.large()]:
        path.write_bytes(content)
        most = len(content) + (64 << 20)
        del content
        tracemalloc.start()
        try:
            tensors.read(path)
        except CheckpointError:
            assert not accepted, name
        else:
            assert accepted, name
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert peak <= most, name


def test_every_flipped_bit_of_a_model_is_told(tmp_path):
    given = {"a": torch.tensor([1.5, -2.0]), "b": torch.arange(3)}
    content = tensors.encode(given, {"generation": "12"})
    path = tmp_path / "x.safetensors"
    path.write_bytes(content)
    assert tensors.read(path)[1] == {"generation": "12"}
    told = 0
    for bit in range(8 * len(content)):
        flipped = bytearray(content)
        flipped[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(flipped)
        try:
            got, metadata = tensors.read(path)
        except CheckpointError:
            told += 1
            continue
        # Only the name of the digest can be lost, and then the rest is as it was.
        assert metadata.pop("generation") == "12" and len(metadata) == 1
        assert all(torch.equal(got[name], value) for name, value in given.items())
    assert told >= 8 * (len(content) - len("twisterl.sha256"))
    flipped = bytearray(content)
    flipped[-1] ^= 1
    path.write_bytes(flipped)
    with pytest.raises(CheckpointError, match=r"x\.safetensors: is not what was written"):
        tensors.read(path)


@pytest.mark.parametrize("digest", ["", "0" * 64, "0" * 63, "\ud800", "w", "F" * 64])
def test_a_digest_that_is_none_is_an_error(tmp_path, digest):
    path = tmp_path / "x.safetensors"
    header = {"__metadata__": {"twisterl.sha256": digest}, "w": entry()}
    path.write_bytes(raw(header, b"\0" * 8))
    with pytest.raises(CheckpointError, match=r"is not what was written|is not JSON"):
        tensors.read(path)


def test_equal_models_are_equal_files():
    """The library writes several notes in an order of its own."""
    weight = torch.ones(3)
    notes = {f"note {i}": "x" for i in range(8)}
    backwards = dict(reversed(notes.items()))
    files = {tensors.encode({"a": weight, "b": weight}, given) for given in [notes, backwards] * 4}
    assert len(files) == 1


def test_a_model_without_a_digest_is_read(tmp_path):
    from safetensors.torch import save_file

    save_file({"w": torch.ones(2)}, tmp_path / "x.safetensors", {"note": "x"})
    got, metadata = tensors.read(tmp_path / "x.safetensors")
    assert torch.equal(got["w"], torch.ones(2)) and metadata == {"note": "x"}


def test_every_mismatch_is_listed():
    got = {"a": torch.ones(2), "b": torch.ones(3), "c": torch.ones(1).long(), "x": torch.ones(1)}
    wanted = {"a": torch.ones(2), "b": torch.ones(4), "c": torch.ones(1), "d": torch.ones(1)}
    with pytest.raises(CheckpointError) as caught:
        tensors.require_match(got, wanted, "file")
    text = str(caught.value)
    assert "b has shape [3]; expected [4]" in text
    assert "c has dtype torch.int64; expected torch.float32" in text
    assert "d is missing" in text
    assert "x is not part of the policy" in text
    assert "a " not in text.replace("a is", "")


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomic(path, b"old")
    for name in ("fsync", "replace"):
        with monkeypatch.context() as patch:

            def fail(*_):
                raise OSError(28, "No space left on device")

            patch.setattr(os, name, fail)
            with pytest.raises(OSError, match="No space"):
                write_atomic(path, b"new")
        assert path.read_bytes() == b"old"
        assert os.listdir(tmp_path) == ["file"]


def test_a_planted_link_is_not_followed(tmp_path):
    victim, path = tmp_path / "victim", tmp_path / "file"
    victim.write_bytes(b"precious")
    path.symlink_to(victim)
    (tmp_path / f"file.tmp-{os.getpid()}").symlink_to(victim)
    write_atomic(path, b"new")
    assert victim.read_bytes() == b"precious"
    assert path.read_bytes() == b"new" and not path.is_symlink()


def test_commits(tmp_path):
    folder = RunFolder(tmp_path / "run")
    assert not folder.holds_run()
    folder.prepare()
    with pytest.raises(RunFolderError, match="no commit was written"):
        folder.load_commit()
    folder.commit(commit(1.0, 3))
    folder.commit(commit(2.0, 4))
    assert folder.holds_run()
    loaded = folder.load_commit()
    assert loaded.state == {"iteration": 4}
    assert torch.equal(loaded.weights["w"], torch.full((2,), 2.0))
    assert torch.equal(tensors.read(folder.path / LAST)[0]["w"], loaded.weights["w"])
    assert len(list((folder.path / "resume").iterdir())) == 1


def test_a_commit_that_fails_anywhere_leaves_the_one_before(tmp_path, monkeypatch):
    folder = RunFolder(tmp_path)
    folder.prepare()
    folder.commit(commit(1.0, 1))
    real = {name: getattr(os, name) for name in ("fsync", "replace", "rename", "mkdir")}
    fail_at, failed = 0, True
    while failed:
        fail_at += 1
        calls = 0
        failed = False

        def make(name, fail_at=fail_at):
            def call(*arguments, **keywords):
                nonlocal calls, failed
                calls += 1
                if calls == fail_at:
                    failed = True
                    raise OSError(5, "Input/output error")
                return real[name](*arguments, **keywords)

            return call

        with monkeypatch.context() as patch:
            for name in real:
                patch.setattr(os, name, make(name))
            try:
                folder.commit(commit(float(fail_at), fail_at))
            except OSError:
                assert failed
        loaded = folder.load_commit()
        assert loaded.state["iteration"] == loaded.weights["w"][0]
        tensors.read(folder.path / LAST)
    assert fail_at > 10
    assert folder.load_commit().state["iteration"] == fail_at


def test_flipped_bits_are_found(tmp_path):
    folder = RunFolder(tmp_path)
    folder.prepare()
    folder.commit(commit())
    path = tmp_path / "resume" / "00000001" / "optimizer.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(RunFolderError, match="SHA-256"):
        folder.load_commit()


@pytest.mark.parametrize("kind", ["outside", "absolute", "fewer", "list", "pipe", "large", "deep"])
def test_a_manifest_leads_to_no_other_file(tmp_path, kind):
    folder = RunFolder(tmp_path / "run")
    folder.prepare()
    folder.commit(commit())
    path = tmp_path / "run" / "resume" / "00000001" / "manifest.json"
    manifest = json.loads(path.read_text())
    content = {
        "outside": json.dumps({**manifest, "../../../outside": "0" * 64}),
        "absolute": json.dumps({**manifest, "/dev/zero": "0" * 64}),
        "fewer": json.dumps({"state.json": manifest["state.json"]}),
        "list": json.dumps(list(manifest)),
        "large": json.dumps(manifest) + " " * (1 << 20),
        "deep": "[" * 100_000,
    }
    if kind == "pipe" and not hasattr(os, "mkfifo"):
        pytest.skip("there are no pipes in folders here")
    if kind == "pipe":
        path = path.with_name("weights.safetensors")
        path.unlink()
        os.mkfifo(path)
    else:
        path.write_text(content[kind])
    said = {"pipe": "not a regular file", "large": "at most", "deep": "nested"}
    with pytest.raises(RunFolderError, match=said.get(kind, "lists other files")):
        folder.load_commit()


def test_nan_never_replaces_numbers(tmp_path):
    folder = RunFolder(tmp_path)
    folder.prepare()
    folder.commit(commit(1.0))
    folder.save_best(commit(1.0).weights)
    before = {name: (tmp_path / name).read_bytes() for name in (LAST, BEST)}
    with pytest.raises(CheckpointError, match="tensor w"):
        folder.commit(commit(float("nan")))
    with pytest.raises(CheckpointError, match="tensor w"):
        folder.save_best(commit(float("inf")).weights)
    assert before == {name: (tmp_path / name).read_bytes() for name in (LAST, BEST)}
    assert folder.load_commit().weights["w"][0] == 1.0


def test_a_run_is_not_overwritten_by_accident(tmp_path):
    folder = RunFolder(tmp_path)
    folder.require_usable(resume=False, overwrite=False)
    with pytest.raises(RunFolderError, match="no run to resume"):
        folder.require_usable(resume=True, overwrite=False)
    folder.prepare()
    folder.commit(commit())
    (tmp_path / "mine.txt").write_text("kept")
    (tmp_path / "events.out.tfevents.1").write_text("")
    (tmp_path / "Losses_policy").mkdir()
    with pytest.raises(RunFolderError, match="--resume continues it, --overwrite drops it"):
        folder.require_usable(resume=False, overwrite=False)
    folder.require_usable(resume=True, overwrite=False)
    folder.require_usable(resume=False, overwrite=True)
    folder.prepare(overwrite=True)
    assert os.listdir(tmp_path) == ["mine.txt"]


def test_leftovers_of_a_killed_run_are_removed(tmp_path):
    folder = RunFolder(tmp_path)
    folder.prepare()
    folder.commit(commit())
    (tmp_path / f"{LAST}.tmp-123").write_text("half")
    # As Mojo names them.
    (tmp_path / f"{LAST}.tmp-123aZ09_x").write_text("half")
    (tmp_path / "resume" / "00000002.tmp-123").mkdir()
    folder.prepare()
    assert not [name for name in os.listdir(tmp_path) if ".tmp-" in name]
    assert os.listdir(tmp_path / "resume") == ["00000001"]


def test_metrics_after_the_commit_are_dropped(tmp_path):
    folder = RunFolder(tmp_path)
    folder.prepare()
    lines = [json.dumps({"iteration": i}) for i in range(4)]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines) + '\n{"iteration": 4, "cut')
    folder.keep_metrics(2)
    assert (tmp_path / "metrics.jsonl").read_text() == "\n".join(lines[:2]) + "\n"
