"""When a run saves and ends, and what stays of it."""

import gc
import json
import os
import shutil
import subprocess
import sys
import threading
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")

from trainings import contents, train, trained  # noqa: E402
from twisterl import cli  # noqa: E402
from twisterl.runs import dashboard  # noqa: E402
from twisterl.runs.errors import RunFolderError  # noqa: E402
from twisterl.runs.folder import RunFolder  # noqa: E402
from twisterl.utils import prepare_algorithm  # noqa: E402

posix = pytest.mark.skipif(os.name == "nt", reason="links of POSIX")


@posix
@pytest.mark.parametrize("name", ["metrics.jsonl", "lock", "resume", "base_config.json"])
def test_a_planted_link_is_not_followed(config_file, tmp_path, capsys, name):
    run, outside = tmp_path / "run", tmp_path / "outside"
    run.mkdir()
    (run / name).symlink_to(outside)
    assert train(config_file, run, "--num_steps", "1") == 2
    assert "is a symbolic link" in capsys.readouterr().err
    assert not outside.exists()
    algorithm = prepare_algorithm(json.loads(config_file.read_text()), run)
    if name != "base_config.json":
        with pytest.raises(OSError):
            algorithm.learn(1)
    assert not outside.exists()


@posix
def test_a_removed_folder_is_an_error(small, tmp_path, capsys):
    run = tmp_path / "run"

    def remove():
        while run.exists():  # TensorBoard's thread may put a file into it meanwhile.
            shutil.rmtree(run, ignore_errors=True)

    algorithm = prepare_algorithm(small, run)
    algorithm.subscribe(lambda progress: remove() if progress.iteration == 1 else None)
    with pytest.raises(FileNotFoundError, match=r"removed or replaced .*metrics\.jsonl"):
        algorithm.learn(5)
    assert not run.exists() and algorithm.iteration == 3
    algorithm = prepare_algorithm(small, run)
    algorithm.subscribe(lambda _: remove())
    with pytest.raises(FileNotFoundError):
        algorithm.learn(1)


def test_a_run_stays_where_it_began(small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    algorithm = prepare_algorithm(small, "run")
    (tmp_path / "elsewhere").mkdir()
    algorithm.subscribe(lambda _: os.chdir(tmp_path / "elsewhere"))
    algorithm.learn(2)
    assert algorithm.run_path == "run"
    assert RunFolder(tmp_path / "run").last_iteration() == 2
    assert not any((tmp_path / "elsewhere").iterdir())


def shown_steps(run, tag):
    """The steps that TensorBoard's own server shows."""
    from tensorboard.backend.event_processing.plugin_event_accumulator import EventAccumulator

    found = EventAccumulator(str(run))
    found.Reload()
    return [event.step for event in found.Tensors(tag)]


def told(run):
    """What the one file of `run` tells TensorBoard, without times; its checksums are looked at."""
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    (file,) = run.glob("events.out.tfevents.*")
    events = list(EventFileLoader(str(file)).Load())
    for event in events:
        event.wall_time = 0
        event.ClearField("source_metadata")
    return events


def test_our_writer_says_what_torchs_does(tmp_path):
    losses, times = {"total": 1.0, "policy": -2.5e-7}, {"total": 3.0, "last": 4.0}
    figures = SimpleNamespace(iteration=7, losses=losses, times=times, evaluations={})
    vars(figures).update(difficulty=1, success=0.5, reward=-0.5)
    for name, of_torch in (("torch", True), ("ours", False)):
        (tmp_path / name).mkdir()
        owner = dashboard.Dashboard()
        writer = dashboard._make_writer(tmp_path / name, 7, owner, of_torch)
        dashboard.write_scalars(writer, figures)
        writer.close()
    ours = told(tmp_path / "ours")
    assert ours == told(tmp_path / "torch") and len(ours) == 15


@pytest.mark.parametrize(("seconds", "is_there"), [(0, True), (1000, False)])
def test_our_writer_keeps_figures_back_so_long(tmp_path, seconds, is_there):
    from twisterl.runs.event_file import EventWriter

    writer = EventWriter(tmp_path, 0, "", seconds)
    writer.add_scalar("Losses/total", 1.0, 0)
    (file,) = tmp_path.iterdir()
    assert (b"Losses/total" in file.read_bytes()) == is_there
    writer.close()
    assert b"Losses/total" in file.read_bytes()


def test_our_writer_imports_no_tensorflow():
    """Nor what imports it where it is installed, numpy and a second with it."""
    there = "{'numpy', 'tensorboard.summary', 'tensorflow'} & sys.modules.keys()"
    program = f"import sys, twisterl.runs.event_file; print({there})"
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "set()\n"


def test_tensorboard_gets_one_folder_and_each_iteration_once(small, tmp_path):
    small["algorithm"]["logging"]["checkpoint_freq"] = 0
    first = prepare_algorithm(small, tmp_path)
    first.learn(2)
    for _ in range(2):
        # What is killed after its commit has told TensorBoard of more.
        lost = prepare_algorithm(small, tmp_path)
        lost.resume()
        lost.save = lambda: None
        lost.learn(3)
        lost.tb_writer.flush()
    last = prepare_algorithm(small, tmp_path)
    last.resume()
    last.learn(3)
    assert [entry.name for entry in tmp_path.iterdir() if entry.is_dir()] == ["resume"]
    assert shown_steps(tmp_path, "Benchmark/success") == [0, 1, 2, 3, 4]


def test_writers_end_with_their_algorithms(small, tmp_path):
    before = threading.active_count()
    for number in range(4):
        prepare_algorithm(small, tmp_path / str(number)).learn(1)
        gc.collect()
    assert threading.active_count() <= before + 1


def test_the_writer_of_another_folder_is_closed(small, tmp_path):
    algorithm = prepare_algorithm(small, tmp_path / "first")
    algorithm.learn(1)
    before = threading.active_count()
    algorithm.run_path = str(tmp_path / "second")
    algorithm.learn(1)
    assert threading.active_count() <= before


def test_rerun_replaces_what_it_has_made_and_no_more(small, config_file, tmp_path, capsys):
    run = tmp_path / "run"
    small["algorithm"]["learning"]["num_steps"] = 2
    config_file.write_text(json.dumps(small))
    for _ in range(2):
        assert train(config_file, run, "--rerun") == 0
    assert RunFolder(run).last_iteration() == 2
    assert cli.main(["train", "--resume", "--run_path", str(run), "--num_steps", "3"]) == 0
    before = contents(run)
    assert train(config_file, run, "--rerun") == 2
    assert "--resume continues it, --overwrite drops it" in capsys.readouterr().err
    assert contents(run) == before


def test_commits_are_kept_as_asked(small, tmp_path):
    small["algorithm"]["logging"].update(checkpoint_freq=1, keep_last=2, keep_every=3)
    algorithm = prepare_algorithm(small, tmp_path)
    algorithm.learn(8)
    states = [json.loads(path.read_text()) for path in tmp_path.glob("resume/*/state.json")]
    assert sorted(state["iteration"] for state in states) == [3, 6, 7, 8]
    resumed = prepare_algorithm(small, tmp_path)
    resumed.resume()
    assert resumed.iteration == 8


def test_time_ends_a_run_that_goes_on_with_more(small, config_file, tmp_path):
    run = tmp_path / "run"
    assert train(config_file, run, "--num_steps", "50", "--time-budget", "0.000001") == 0
    assert RunFolder(run).last_iteration() == 1
    resume = ["train", "--resume", "--run_path", str(run), "--num_steps", "3"]
    assert cli.main([*resume, "--time-budget", "1000"]) == 0
    assert RunFolder(run).last_iteration() == 3


def test_a_run_without_progress_ends(small, tmp_path):
    small["algorithm"]["learning"].update(patience=3, diff_max=1)
    small["algorithm"]["optimizer"]["lr"] = 1e-12
    algorithm = prepare_algorithm(small, tmp_path)
    algorithm.best_metrics = (10, 1.0, 1.0)
    algorithm.learn(2)
    resumed = prepare_algorithm(small, tmp_path)
    resumed.resume()
    resumed.learn(20)
    assert resumed.iteration == 3


def test_commits_are_kept_after_every_so_many_iterations(small, tmp_path):
    small["algorithm"]["logging"].update(checkpoint_freq=10, keep_every=3)
    prepare_algorithm(small, tmp_path).learn(8)
    states = [json.loads(path.read_text()) for path in tmp_path.glob("resume/*/state.json")]
    assert sorted(state["iteration"] for state in states) == [3, 6, 8]


def test_an_equal_evaluation_is_no_progress(small, tmp_path):
    small["algorithm"]["learning"].update(patience=2, diff_max=1)
    small["algorithm"]["optimizer"]["lr"] = 1e-30
    algorithm = prepare_algorithm(small, tmp_path)
    seen = set()
    algorithm.subscribe(lambda progress: seen.add((progress.success, progress.reward)))
    algorithm.learn(20)
    assert len(seen) == 1 and algorithm.iteration == 3


def test_rerun_keeps_a_run_that_began_with_a_checkpoint(small, config_file, tmp_path):
    small["algorithm"]["learning"]["num_steps"] = 2
    config_file.write_text(json.dumps(small))
    first, run = tmp_path / "first", tmp_path / "run"
    trained(config_file, first)
    weights = str(first / "checkpoint_last.safetensors")
    trained(config_file, run, num_steps=1, load_checkpoint_path=weights)
    trained(config_file, run, num_steps=2, resume=True)
    assert train(config_file, run, "--rerun") == 2


@pytest.mark.parametrize("words", [["train"], ["train", "--seeds", "2"], ["sweep"]])
def test_an_empty_name_is_no_folder(words, config_file, tmp_path, monkeypatch, capsys):
    """Nor is it left out: a variable of a script was not set."""
    monkeypatch.chdir(tmp_path)
    before = {*tmp_path.iterdir()}
    assert cli.main([*words, "--config", str(config_file), "--run_path", ""]) == 2
    assert "run folder: got ''; expected the name of a folder" in capsys.readouterr().err
    assert {*tmp_path.iterdir()} == before


def test_an_empty_name_is_no_folder_of_a_program(small):
    with pytest.raises(RunFolderError, match="run folder: got ''"):
        prepare_algorithm(small, "")
    algorithm = prepare_algorithm(small)
    with pytest.raises(RunFolderError, match="run folder: got ''"):
        algorithm.run_path = ""
    assert algorithm.run_path is None


def test_a_folder_that_became_a_file_is_an_error(small, tmp_path):
    # No thread of TensorBoard puts a file there meanwhile.
    small["algorithm"]["logging"]["log_freq"] = 0
    run = tmp_path / "run"
    algorithm = prepare_algorithm(small, run)

    def replace(_):
        shutil.rmtree(run)
        run.write_text("of somebody else")

    algorithm.subscribe(replace)
    with pytest.raises(FileNotFoundError, match="removed or replaced"):
        algorithm.learn(3)
    assert run.read_text() == "of somebody else"


def test_what_a_killed_process_of_the_same_number_left_is_in_nobodys_way(small, tmp_path):
    left = tmp_path / "resume" / f"00000001.tmp-{os.getpid()}"
    left.mkdir(parents=True)
    prepare_algorithm(small, tmp_path).learn(1)
    assert RunFolder(tmp_path).last_iteration() == 1 and not left.exists()


def test_a_replaced_folder_is_left_alone(small, tmp_path):
    # No thread of TensorBoard puts a file there meanwhile.
    small["algorithm"]["logging"]["log_freq"] = 0
    run = tmp_path / "run"
    algorithm = prepare_algorithm(small, run)

    def replace(progress):
        shutil.rmtree(run)
        run.mkdir()
        (run / "metrics.jsonl").write_text("of another run")

    algorithm.subscribe(replace)
    with pytest.raises(FileNotFoundError, match="removed or replaced"):
        algorithm.learn(3)
    assert (run / "metrics.jsonl").read_text() == "of another run"
    assert not (run / "checkpoint_last.safetensors").exists()


@posix
def test_a_linked_folder_of_commits_is_not_followed(small, tmp_path):
    run, outside = tmp_path / "run", tmp_path / "outside"
    run.mkdir()
    outside.mkdir()
    (run / "resume").symlink_to(outside)
    with pytest.raises(OSError, match="is a symbolic link"):
        prepare_algorithm(small, run).learn(1)
    assert not any(outside.iterdir())


def test_tensorboard_shows_the_tags_of_earlier_dashboards(small, tmp_path):
    prepare_algorithm(small, tmp_path).learn(2)
    for tag in ("Benchmark/Detail/Success", "Benchmark/Detail/Reward", "Losses", "Times"):
        assert shown_steps(tmp_path, tag) == [0, 1]
