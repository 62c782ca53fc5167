"""Runs beside each other, and what of them is one line."""

import json

import pytest
from test_watch import CONFIG, Page, row, write
from twisterl import cli
from twisterl.pictures.comparison_page import comparison_page
from twisterl.runs import comparison


def config(seed=0, lr=0.001):
    algorithm = {**CONFIG["algorithm"], "seed": seed, "optimizer": {"lr": lr}}
    return {**CONFIG, "algorithm": algorithm}


def solving(success, at):
    found = {"success": success, "interval": None, "reward": 0.0, "mean_length": 20.0}
    return row(at, evals={"uniform": found}, difficulty=1)


@pytest.fixture
def runs(tmp_path):
    """Three seeds of one config and a run of another, in one folder."""
    for seed, share in enumerate((0.25, 0.5, 1.0)):
        rows = [solving(0.0, 0), solving(share / 2, 1), solving(share, 3)]
        write(tmp_path / f"slow_{seed}", rows, config(seed))
    write(tmp_path / "quick", [solving(0.5, 0), solving(1.0, 1)], config(7, 0.01))
    (tmp_path / "no run").mkdir()
    return tmp_path


def test_seeds_of_a_config_are_one_row(runs, capsys):
    assert cli.main(["compare", str(runs)]) == 0
    out = capsys.readouterr().out
    quick, slow = (line.split() for line in out.splitlines()[1:3])
    assert quick[:4] == ["quick", "1", "100.0", "%"] and slow[:2] == ["slow", "3"]
    assert "58.3 % (25.0 % to 100.0 %)" in out and "2.0 s, 1 of 3" in out
    assert "algorithm.optimizer.lr: 0.01 | 0.001\n" in out and "seed:" not in out


def test_a_copy_of_a_run_is_no_other_seed(runs, capsys):
    write(runs / "slow_copy", [solving(1.0, 3)], config(2))
    assert cli.main(["compare", str(runs)]) == 0
    assert "slow   3 (4 runs)  " in capsys.readouterr().out


def test_figures_as_json_are_those_of_the_runs(runs, capsys):
    folders = [str(runs / name) for name in ("quick", "slow_0", "slow_2", "slow_0")]
    assert cli.main(["compare", *folders, "--json"]) == 0
    quick, slow = json.loads(capsys.readouterr().out)
    assert slow["success"] == {"mean": 0.625, "least": 0.25, "most": 1.0}
    assert slow["seeds"] == [0, 2] and slow["reached"] == 1 and quick["seeds"] == [7]
    assert quick["seconds_to_target"]["mean"] == 1.0
    assert slow["differs"] == {"algorithm.optimizer.lr": "0.001"}


@pytest.mark.parametrize(("axis", "last"), [("time", 2.0), ("steps", 4000), ("iterations", 3)])
def test_a_band_reaches_over_all_seeds(runs, axis, last):
    groups = comparison.grouped(comparison.read_all([str(runs)]))
    panels = {panel.name: panel for panel in comparison.panels_of(groups, axis)}
    # All have the same difficulty, which tells nothing.
    assert list(panels) == ["solved", "moves", "speed"]
    quick, slow = panels["solved"].lines
    assert not quick.band and [y for _, y in quick.points] == [50, 100]
    assert slow.band[-1] == (last, 25.0, 100.0) and slow.points[-1][1] == pytest.approx(175 / 3)
    assert len(slow.band) == len(slow.points) == 3


def test_a_mean_is_only_where_all_seeds_are():
    early, late = [(0, 0.0), (1, 0.5), (2, 1.0)], [(1, 0.0), (3, 0.0)]
    points, band = comparison.merged([early, late])
    assert points == [(1, 0.25), (2, 0.5)] and band == [(1, 0.0, 0.5), (2, 0.0, 1.0)]
    assert comparison.merged([[], early]) == (early, [])


def test_the_page_has_a_line_and_a_band_for_each(runs):
    groups = comparison.grouped(comparison.read_all([str(runs)]))
    text = comparison_page(groups, "steps", [["run", "seeds"], ["quick", "1"], ["slow", "3"]])
    page = Page(text)
    # Solved, moves and speed, of which the one run has no band.
    assert len(page.having("path", "line")) == 6 and len(page.having("polygon", "band")) == 3
    assert "4 runs over steps" in page.text and "quick · slow" in page.text
    assert not [tag for tag, _ in page.tags if tag == "script"]


def test_configs_of_other_algorithms_and_names_that_are_equal(tmp_path):
    for parent, more in (("x", {}), ("y", {"algorithm_cls": "AZ"}), ("z", {"env": {"width": 4}})):
        (tmp_path / parent).mkdir()
        write(tmp_path / parent / "run", [row(0)], {**config(), **more})
    groups = comparison.grouped(comparison.read_all([str(tmp_path / p) for p in "xyz"]))
    assert [group.name for group in groups] == ["run", "run (2)", "run (3)"]
    assert list(groups[0].differs) == ["env.width", "algorithm_cls"]


def test_what_only_one_run_has_is_told_from_a_default(tmp_path):
    evals = {"evals": {"sure": {"num_searches": 1}, "wide": {"strategy": "beam"}}}
    parts = [
        {"env": {"width": 4}, "algorithm": evals},
        {"env_cls": "LightsOut", "env": {}, "algorithm": {"evals": {"sure": {"num_searches": 2}}}},
    ]
    for name, more in zip("xy", parts, strict=True):
        (tmp_path / name).mkdir()
        write(tmp_path / name, [row(0)], {**config(), **more})
    one, other = comparison.grouped(comparison.read_all([str(tmp_path / p) for p in "xy"]))
    assert one.differs["env.width"] == "4" and other.differs["env.width"] == "–"
    assert [group.differs["algorithm.evals.wide"] for group in (one, other)] == ["yes", "no"]
    assert other.differs["algorithm.evals.sure.num_searches"] == "2"
    assert not any(key.startswith("algorithm.evals.wide.") for key in one.differs)


def test_what_cannot_be_compared(runs, tmp_path, capsys):
    for words, said in (
        ([str(runs / "no run")], "holds no run"),
        ([str(runs / "missing")], "holds no run"),
        ([str(runs), "--html", str(tmp_path / "none" / "x.html")], "--html"),
    ):
        assert cli.main(["compare", *words]) == 2
        assert said in capsys.readouterr().err
