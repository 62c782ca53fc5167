"""Every number of the tables comes from a committed result."""

import json
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
from results import LEARNING  # noqa: E402


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
        content = json.loads(path.read_text(encoding="utf-8"))
        assert content["benchmark"] == path.stem
        assert content["command"].startswith("python benchmarks/"), path
        assert re.fullmatch(r"[0-9a-f]{7,}\+?", content["commit"]), path
        assert content["machine"]["processor"], path
        assert content["rows"], path
        # Those of `make bench`, whose time has a limit, say what they took.
        assert path.stem in LEARNING or content["took_s"] >= 0, path


def test_no_table_has_measured_figures_of_its_own():
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("benchmarks/*.md")]
    measured = re.compile(r"\d ?(ns|µs|ms|s|CPU-s|[KMG]iB|[kM]? ?steps/s) *\|")
    for page in pages:
        text = page.read_text(encoding="utf-8")
        text = re.sub("<!-- results:start -->.*?<!-- results:end -->", "", text, flags=re.DOTALL)
        tables = [line for line in text.splitlines() if line.startswith("|")]
        assert not [line for line in tables if measured.search(line)], page
