"""What one process has prepared, loaded by the next one."""

import errno
import os
import resource
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest
from forked import forked
from twisterl import cache
from twisterl.envs import Permutation, Puzzle
from twisterl.runs import tensors
from twisterl.twisterl import collector

# Everything is kept, however fast it was made.
EVERYTHING = """
from twisterl import cache
cache._MOST_BYTES_A_SECOND = float("inf")
"""
PROGRAM = f"""
import sys
from twisterl import cli
{EVERYTHING}
sys.exit(cli.main(sys.argv[1:]))
"""
SOLVE = ["solve", "--strategy", "patterns", "--env", "Puzzle", "width=3", "height=3"]
SMALL = ["--pattern_bytes", "4096", "--pattern_boards", "20"]
BOARD = "8 7 5 3 2 0 4 6 1"


def begun(folder, *options, before=None):
    words = [sys.executable, "-c", PROGRAM, *SOLVE, *(options or SMALL), BOARD]
    env = {**os.environ, "TWISTERL_CACHE": str(folder), "HOME": str(folder)}
    pipe = subprocess.PIPE
    return subprocess.Popen(words, env=env, stdout=pipe, stderr=pipe, text=True, preexec_fn=before)


def ended(process):
    """What it has found, and the lines of what it has said beside."""
    out, err = process.communicate(timeout=300)
    return checked(process.returncode, out, err)


def checked(status, out, err):
    assert status == 0 and out.startswith("solved in "), err
    return out, [line for line in err.splitlines() if not line.startswith("preparing ")]


def files(folder):
    return sorted(folder.glob("*/*"))


@pytest.fixture
def everything(monkeypatch, tmp_path):
    """The folder of a cache that keeps all."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("TWISTERL_CACHE", str(folder))
    monkeypatch.setattr(cache, "_MOST_BYTES_A_SECOND", float("inf"))
    return folder


@pytest.fixture
def solved():
    """As `ended(begun(folder, *options))`, sooner."""

    def solve(folder, *options):
        environment = {"TWISTERL_CACHE": str(folder), "HOME": str(folder)}
        words = [*SOLVE, *(options or SMALL), BOARD]
        done = forked(words, environment=environment, before=EVERYTHING)
        return checked(done.returncode, done.stdout.decode(), done.stderr.decode())

    return solve


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """The cache that a process has left, and what that has found."""
    folder = tmp_path_factory.mktemp("prepared")
    first, said = ended(begun(folder))
    assert not said
    return folder, first


@pytest.fixture
def first(prepared, everything):
    """What a process has found whose cache is now that of this test."""
    folder, first = prepared
    shutil.copytree(folder, everything)
    return first


def test_the_next_process_loads_what_one_has_prepared(first, everything):
    lessons, tables = files(everything)
    assert lessons.match("lessons/3x3-20-*.safetensors")
    assert tables.match("patterns/3x3-*.safetensors")
    before = {path: (path.read_bytes(), path.stat().st_ino) for path in files(everything)}
    again, said = ended(begun(everything))
    assert again == first
    assert said == [f"twisterl: loaded {path}" for path in (tables, lessons)]
    assert before == {path: (path.read_bytes(), path.stat().st_ino) for path in files(everything)}


def test_what_depends_on_other_options_is_another_file(first, everything, solved):
    count = 2
    for options, more in [
        (["--pattern_bytes", "512", "--pattern_boards", "20"], 2),
        (["--pattern_bytes", "4096", "--pattern_boards", "21"], 1),
        ([*SMALL, "--max_episode_steps", "50"], 1),
        ([*SMALL, "--beam_width", "100", "--num_cores", "1"], 0),
    ]:
        _, said = solved(everything, *options)
        assert len(said) == 2 - more
        count += more
        assert len(files(everything)) == count


def _cut_off(path):
    path.write_bytes(path.read_bytes()[:-1])


def _flipped(path):
    content = bytearray(path.read_bytes())
    content[-3] ^= 4
    path.write_bytes(content)


def _of_another_size(path):
    arrays, notes = tensors.read_arrays(path)
    path.write_bytes(tensors.encode({n: a[1:] for n, a in arrays.items()}, notes))


def _of_another_kind(path):
    arrays, notes = tensors.read_arrays(path)
    arrays = {name: array.astype(np.float32) for name, array in arrays.items()}
    path.write_bytes(tensors.encode(arrays, notes))


def _of_something_else(path):
    other = next(each for each in path.parents[1].glob("*/*") if each != path)
    path.write_bytes(other.read_bytes())


def _no_file(path):
    path.unlink()
    os.mkfifo(path)


def _huge(path):
    path.write_bytes(b"")
    os.truncate(path, 1 << 40)


@pytest.mark.parametrize(
    "damage",
    [_cut_off, _flipped, _of_another_size, _of_another_kind, _of_something_else, _no_file, _huge],
)
def test_what_is_damaged_is_named_and_made_again(first, everything, solved, damage):
    for path in files(everything):
        whole = path.read_bytes()
        damage(path)
        again, said = solved(everything)
        assert again == first
        (warning,) = [line for line in said if str(path) in line]
        assert warning.startswith(f"warning: {path}: ") and warning.endswith("; made again")
        assert len(said) == 2 and path.read_bytes() == whole


def test_a_folder_that_cannot_be_written_is_done_without(prepared, everything, solved):
    everything.touch()
    found, said = solved(everything)
    assert found == prepared[1] and len(said) == 2
    problem = f"is not kept: {os.strerror(errno.ENOTDIR)}"
    assert all(line.startswith(f"warning: {everything}/") and problem in line for line in said)


def test_a_full_disk_leaves_nothing_behind(tmp_path):
    def limited():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    _, said = ended(begun(tmp_path, before=limited))
    assert len(said) == 2 and all("is not kept: " in line for line in said)
    assert not files(tmp_path)


def test_processes_that_begin_at_once_share_what_they_keep(tmp_path):
    found = {ended(process)[0] for process in [begun(tmp_path) for _ in range(5)]}
    assert len(found) == 1 and len(files(tmp_path)) == 2
    assert all(path.suffix == ".safetensors" for path in files(tmp_path))
    again, said = ended(begun(tmp_path))
    assert {again} == found and len(said) == 2


def test_off_keeps_nothing(solved, tmp_path, monkeypatch):
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    monkeypatch.setenv("HOME", str(work))
    for _ in range(2):
        assert solved("off")[1] == []
    assert not list(work.iterdir())


@pytest.mark.parametrize("limit", ["_MOST_BYTES_A_SECOND", "_MOST_BYTES_OF_FILE"])
def test_what_is_made_as_fast_as_it_is_loaded_or_too_large_is_not_kept(
    everything, monkeypatch, limit
):
    monkeypatch.setattr(cache, limit, 0)
    with cache.keeping():
        collector.OptimalSolver(Permutation(num_qubits=5))
    assert not files(everything)


def test_another_version_has_files_of_its_own(everything, monkeypatch):
    for version in ("1.0", "1.1", "1.0"):
        monkeypatch.setattr(cache, "__version__", version)
        with cache.keeping():
            collector.OptimalSolver(Permutation(num_qubits=5))
    assert len(files(everything)) == 2


def test_the_newest_file_stays_whatever_its_size(everything, monkeypatch):
    monkeypatch.setattr(cache, "_MOST_BYTES", 1)
    for num_qubits in (5, 4):
        with cache.keeping():
            collector.OptimalSolver(Permutation(num_qubits=num_qubits))
        (path,) = files(everything)
        assert path.name.startswith(f"permutation-{num_qubits}-")


def test_a_file_of_other_options_is_refused(everything):
    def solver(most_states):
        with cache.keeping():
            return collector.OptimalSolver(Permutation(num_qubits=5), most_states=most_states)

    solver(50)
    (other,) = files(everything)
    solver(60)
    (path,) = set(files(everything)) - {other}
    whole = path.read_bytes()
    path.write_bytes(other.read_bytes())
    with pytest.warns(UserWarning, match=f"{path.name}: was made of something else; made again"):
        solver(60)
    assert path.read_bytes() == whole


def test_threads_keep_at_once(everything):
    # The same of both, and what each alone has.
    def work(sizes):
        with cache.keeping():
            for num_qubits in sizes:
                collector.OptimalSolver(Permutation(num_qubits=num_qubits))

    threads = [threading.Thread(target=work, args=(sizes,)) for sizes in ([5, 7], [7, 6])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.name.rpartition("-")[0] for path in files(everything)] == [
        f"permutation-{num_qubits}" for num_qubits in (5, 6, 7)
    ]
    # Outside of the block nothing is.
    collector.OptimalSolver(Permutation(num_qubits=4))
    assert len(files(everything)) == 3


def test_a_block_inside_another_does_not_end_it(everything):
    with cache.keeping():
        with cache.keeping():
            pass
        collector.OptimalSolver(Permutation(num_qubits=5))
    collector.OptimalSolver(Permutation(num_qubits=6))
    (path,) = files(everything)
    assert path.name.startswith("permutation-5-")


def test_those_used_last_stay(everything, monkeypatch, capsys):
    def solver(num_qubits):
        with cache.keeping():
            collector.OptimalSolver(Permutation(num_qubits=num_qubits))

    for age, num_qubits in enumerate((5, 6, 4)):
        solver(num_qubits)
        (path,) = everything.glob(f"*/permutation-{num_qubits}-*")
        os.utime(path, (1000 + age, 1000 + age))
    abandoned, foreign = (
        everything / "states" / name
        for name in (f"permutation-4-{16 * '0'}.safetensors.tmp-1", "mine.safetensors")
    )
    # Another process is not done with it.
    unfinished = abandoned.with_suffix(".tmp-2")
    for file in (abandoned, foreign, unfinished):
        file.touch()
    for file in (abandoned, foreign):
        os.utime(file, (1000, 1000))
    solver(5)
    assert "loaded" in capsys.readouterr().err
    sizes = [path.stat().st_size for path in files(everything)]
    monkeypatch.setattr(cache, "_MOST_BYTES", sum(sizes))
    solver(3)
    foreign.unlink()
    unfinished.unlink()
    left = [path.name.split("-")[1] for path in files(everything)]
    # The second was not used for longest.
    assert left == ["3", "4", "5"]


def test_bad_stores_are_refused():
    with pytest.raises(TypeError, match="store"):
        collector.keep_in(3)

    class Failing:
        def find(self, kind, name, made_of):
            raise RuntimeError(f"{kind} {name}")

        judged = keep = find

    env = Puzzle(3, 3, difficulty=1, depth_slope=2, max_depth=77)
    collector.keep_in(Failing())
    try:
        with pytest.raises(RuntimeError, match="states puzzle-3-3"):
            collector.OptimalSolver(env)
    finally:
        collector.keep_in(None)
    collector.OptimalSolver(env)
