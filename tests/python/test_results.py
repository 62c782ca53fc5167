"""Every number of the tables comes from a committed result, those of the READMEs from one run."""

import argparse
import dataclasses
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
import clients  # noqa: E402
import render  # noqa: E402
import results  # noqa: E402
import run  # noqa: E402
import sides  # noqa: E402
from peers import peer  # noqa: E402

QUICK = run.GROUPS["quick"]
BLOCK = re.compile(f"{render.START}.*?{render.END}", re.DOTALL)


def read(name):
    return json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text("utf-8"))


def tables(text):
    """The lines of each table of a page."""
    return [table.splitlines() for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)]


def test_tables_show_the_committed_results():
    done = subprocess.run(
        [sys.executable, "benchmarks/render.py", "--check"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_results_say_where_they_come_from():
    for path in sorted((ROOT / "benchmarks" / "results").glob("*.json")):
        content = read(path.stem)
        assert path.stem in run.BENCHMARKS
        assert content["benchmark"] == path.stem
        assert content["command"].startswith("python benchmarks/"), path
        assert re.fullmatch(r"[0-9a-f]{7,}\+?", content["commit"]), path
        assert content["machine"]["processor"], path
        assert content["rows"], path


def test_a_missing_package_is_named():
    program = "import runpy, sys; sys.modules['torch'] = None; sys.argv = ['run.py', '--help']\n"
    program += (
        "sys.path.insert(0, 'benchmarks'); runpy.run_path('benchmarks/run.py', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr == "error: no module named torch: make bench installs what benchmarks need\n"


def test_make_bench_was_one_run_whose_time_is_told():
    contents = [read(name) for name in QUICK]
    assert len({content.get("run") for content in contents}) == 1
    assert contents[0]["run"].startswith("quick, ")
    assert len({content["commit"] for content in contents}) == 1
    took = sum(content["took_s"] for content in contents)
    missed = ", missed" if took > results.LONGEST_S else ""
    told = f"which took {took:.0f} s (goal ≤ {results.LONGEST_S}{missed})"
    assert told in (ROOT / "README.md").read_text("utf-8")


def test_readmes_show_what_make_bench_measures():
    listed = subprocess.run(
        ["git", "ls-files", "*README*"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    pages = [ROOT / name for name in listed.stdout.split()]
    assert ROOT / "benchmarks" / "README.md" in pages
    for page in pages:
        for block in BLOCK.findall(page.read_text("utf-8")):
            for head, _, *rows in tables(block):
                shown = {"languages", "instructions"}
                if not head.startswith(render.LANGUAGES_HEAD):
                    assert head == render.HEAD.splitlines()[0], page
                    shown = {row.split("|")[-2].strip() for row in rows}
                assert shown <= set(QUICK), page


def test_no_table_has_measured_figures_of_its_own():
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md")]
    measured = re.compile(r"\d ?(ns|µs|ms|s|CPU-s|[KMG]iB|[kM]? ?steps/s) *\|")
    for page in pages:
        own = tables(BLOCK.sub("", page.read_text(encoding="utf-8")))
        assert not [line for table in own for line in table if measured.search(line)], page


@pytest.fixture
def parts(monkeypatch, tmp_path):
    """Benchmarks of which one fails and one lacks something, beside one that is well."""

    def fails(options):
        """Fails."""
        raise sides.MeasurementError("the worker ended")

    def lacks(options):
        """Lacks a compiler."""
        raise sides.UnavailableError("no compiler")

    def well(options):
        """Is well."""
        return [results.row("step", "ns", {"ours": sides.spread([3.0])}, at_most=5)]

    found = {"fails": fails, "lacks": lacks, "well": well}
    monkeypatch.setattr(run, "BENCHMARKS", found)
    monkeypatch.setattr(run, "GROUPS", {"quick": list(found)})
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    monkeypatch.delenv("CI", raising=False)
    return tmp_path


def test_a_part_that_fails_keeps_no_other_from_running(parts, capsys):
    assert run.main(["quick"]) == 1
    assert [path.name for path in parts.iterdir()] == ["well.json"]
    said = capsys.readouterr().err
    assert "failed: fails;" in said and "skipped: lacks: no compiler" in said


def test_what_is_missing_is_a_failure_in_ci_alone(parts, monkeypatch):
    assert run.main(["lacks"]) == 0
    monkeypatch.setenv("CI", "true")
    assert run.main(["lacks"]) == 1


def test_each_peer_is_left_out_for_its_own_reason(monkeypatch, tmp_path):
    class Absent(peer.Peer):
        def ensure(self):
            raise peer.PeerUnavailable(f"{self.title} is not here")

    class Present(peer.Peer):
        def ensure(self):
            return tmp_path

    for name, kind in (("peer", Absent), ("mctx", Present)):
        made = kind(**dataclasses.asdict(peer.PEERS[name]))
        monkeypatch.setitem(peer.PEERS, name, made)
    peer.problem.cache_clear()
    options = argparse.Namespace(peer=True, skipped=[], running="search", repeats=1)
    assert not sides.Bench(options).with_peer
    assert sides.Bench(options, "mctx").with_peer
    assert options.skipped == ["search: twisterl 0.5.1 is not here"]
    peer.problem.cache_clear()


@pytest.mark.parametrize(
    ("ratio", "met"), [(0.76, False), (0.77, True), (1.3, True), (1.31, False)]
)
def test_a_goal_may_bind_both_sides(ratio, met):
    row = results.row("a", "/s", {"ratio_cpu": {"median": ratio}}, within_cpu=1.3)
    assert row["goal"]["met"] == met
    assert render.ratio(row).startswith("(goal within 1.3× either way by CPU time")


@pytest.mark.parametrize(
    ("wrong", "found", "problem"), [(1, 51, "1 of them wrong"), (0, 45, "45 of 51"), (0, 46, None)]
)
def test_a_wrong_circuit_and_too_few_are_failures(wrong, found, problem, capsys):
    class Side:
        def measure(self, request):
            answer = {"seconds": 1.0, "cpu_s": 1.0, "count": 50}
            return answer | {"found": found, "asked": 51, "wrong": wrong}

    if problem is None:
        rows = clients.of_kind("clifford", "circuits", {sides.OURS: Side()}, 1)
        assert rows[-1]["ours"]["median"] == pytest.approx(100 * 46 / 51)
        return
    with pytest.raises(sides.MeasurementError, match=problem):
        clients.of_kind("clifford", "circuits", {sides.OURS: Side()}, 1)
