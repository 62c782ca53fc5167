"""Who is told of a run, in which order, and the adapters for trackers, offline."""

import base64
import re
from xml.etree import ElementTree

import pytest

torch = pytest.importorskip("torch")

from twisterl.callbacks import (  # noqa: E402
    Callback,
    MlflowCallback,
    OptunaCallback,
    ProgressCallback,
    TensorBoardCallback,
    WandbCallback,
)
from twisterl.utils import prepare_algorithm  # noqa: E402


class Diary(Callback):
    def __init__(self):
        self.events = []

    def on_start(self, algorithm):
        self.events.append("start")

    def on_iteration(self, algorithm, progress):
        self.events.append(progress.iteration)
        if progress.iteration == 2:
            algorithm.request_stop()

    def on_save(self, algorithm):
        self.events.append("save")

    def on_end(self, algorithm):
        self.events.append("end")


def test_everything_is_told_in_order(small, tmp_path):
    small["algorithm"]["logging"]["checkpoint_freq"] = 2
    algorithm, diary, seen = prepare_algorithm(small, tmp_path), Diary(), []
    algorithm.subscribe(diary)
    algorithm.subscribe(lambda progress: seen.append(progress.iteration))
    algorithm.learn(9)
    assert diary.events == ["start", "save", 0, 1, "save", 2, "end"]
    assert seen == [0, 1, 2]


def test_progress_is_shown_in_lines_and_in_a_notebook(small, monkeypatch, capsys):
    algorithm = prepare_algorithm(small)
    algorithm.subscribe(ProgressCallback())
    algorithm.learn(2)
    assert [line.split("  ")[0] for line in capsys.readouterr().out.splitlines()] == [
        "iteration 0", "iteration 1",
    ]  # fmt: skip
    display = pytest.importorskip("IPython.display")
    shown = []

    class Handle:
        def update(self, panel):
            shown.append(panel.data)

    def drawn(panel, display_id):
        shown.append(panel.data)
        return Handle()

    monkeypatch.setattr(display, "display", drawn)
    monkeypatch.setattr("twisterl.cli.notebook.is_notebook", lambda: True)
    algorithm.learn(2)
    assert capsys.readouterr().out == ""
    # Drawn once in its place, and anew at the end.
    assert len(shown) >= 2 and "PPO on Puzzle" in shown[0]
    assert 'value="4" max="4"' in shown[-1] and "iterations <b>4</b> of 4" in shown[-1]
    images = re.findall(r"image/svg\+xml;base64,([^\"]+)", shown[-1])
    drawings = [base64.b64decode(image).decode() for image in images]
    assert any("solved over training time: ppo_1 ends at" in drawing for drawing in drawings)
    assert all(ElementTree.fromstring(drawing).tag.endswith("svg") for drawing in drawings)


def test_evaluations_are_told_before_their_iterations(small):
    class Judge(Callback):
        def __init__(self):
            self.told = []

        def on_evaluation(self, algorithm, progress):
            self.told.append(("evaluation", progress.iteration))

        def on_iteration(self, algorithm, progress):
            self.told.append(("iteration", progress.iteration))

    small["algorithm"]["evals"]["ppo_1"]["freq"] = 2
    small["algorithm"]["learning"]["num_steps"] = 3
    algorithm, judge = prepare_algorithm(small), Judge()
    algorithm.subscribe(judge)
    algorithm.learn(2)
    assert judge.told == [("iteration", 0), ("evaluation", 1), ("iteration", 1)]


def test_a_watcher_that_raises_ends_a_saved_run(small, tmp_path):
    algorithm, diary = prepare_algorithm(small, tmp_path), Diary()

    def raises(progress):
        raise RuntimeError("mine")

    algorithm.subscribe(diary)
    algorithm.subscribe(raises)
    with pytest.raises(RuntimeError, match="mine"):
        algorithm.learn(5)
    assert diary.events[-1] == "end"
    resumed = prepare_algorithm(small, tmp_path)
    resumed.resume()
    assert resumed.iteration == 1


def test_what_cannot_be_told_is_refused(small):
    with pytest.raises(TypeError, match=r"watcher: expected a function or .*on_end, got int"):
        prepare_algorithm(small).subscribe(3)


def test_tensorboard(small, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    algorithm, writer = prepare_algorithm(small), SummaryWriter(str(tmp_path))
    algorithm.subscribe(TensorBoardCallback(writer))
    algorithm.learn(2)
    writer.close()
    events = EventAccumulator(str(tmp_path))
    events.Reload()
    assert [event.step for event in events.Scalars("Benchmark/success")] == [0, 1]


def test_a_missing_package_is_named(monkeypatch):
    def refuse(name, *rest):
        raise ImportError(name)

    monkeypatch.setattr("importlib.import_module", refuse)
    for callback, package in ((MlflowCallback, "mlflow"), (WandbCallback, "wandb")):
        with pytest.raises(ImportError, match=f"pip install {package}"):
            callback()


def test_wandb_offline(small, tmp_path):
    wandb = pytest.importorskip("wandb")
    algorithm = prepare_algorithm(small)
    callback = WandbCallback(project="twisterl", mode="offline", dir=str(tmp_path))
    algorithm.subscribe(callback)
    logged = []

    class Spy(Callback):
        def on_iteration(self, algorithm, progress):
            logged.append(callback.run.step)

    algorithm.subscribe(Spy())
    algorithm.learn(2)
    assert logged == [0, 1] and callback.run is None and wandb.run is None
    assert any(tmp_path.rglob("*.wandb"))


def test_mlflow_in_a_folder(small, tmp_path):
    mlflow = pytest.importorskip("mlflow")
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'runs.db'}")
    algorithm = prepare_algorithm(small)
    algorithm.subscribe(MlflowCallback())
    algorithm.learn(2)
    assert mlflow.active_run() is None
    (run,) = mlflow.search_runs(output_format="list")
    assert run.data.params["training.num_epochs"] == "2"
    history = mlflow.MlflowClient().get_metric_history(run.info.run_id, "Benchmark/success")
    assert [entry.step for entry in history] == [0, 1]


def test_optuna_prunes(small):
    optuna = pytest.importorskip("optuna")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        direction="maximize", pruner=optuna.pruners.ThresholdPruner(lower=2.0, n_warmup_steps=1)
    )

    def objective(trial):
        algorithm = prepare_algorithm(small)
        algorithm.subscribe(OptunaCallback(trial))
        algorithm.learn(5)
        return 1.0

    study.optimize(objective, n_trials=1)
    (trial,) = study.trials
    assert trial.state == optuna.trial.TrialState.PRUNED
    assert sorted(trial.intermediate_values) == [0, 1]
