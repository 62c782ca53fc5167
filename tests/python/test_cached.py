"""`twisterl cache`: what is kept is told in words, and deleted as asked and no further."""

import json
import os
import re
import time
from pathlib import Path

import numpy as np
import pytest
from twisterl import cache, cached, cli
from twisterl.envs import LinearFunction, Permutation
from twisterl.runs import tensors
from twisterl.twisterl import collector

ROOT = Path(__file__).parents[2]
NO_DIGEST = 16 * "0"


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """Of a cache that keeps all, with tables of two environments."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("TWISTERL_CACHE", str(folder))
    monkeypatch.setattr(cache, "_MOST_BYTES_A_SECOND", float("inf"))
    with cache.keeping():
        collector.OptimalSolver(Permutation(num_qubits=5))
        collector.OptimalSolver(LinearFunction(num_qubits=3))
    return folder


def write(path, made_of=None):
    path.parent.mkdir(exist_ok=True)
    notes = {} if made_of is None else {cache.MADE_OF: made_of}
    path.write_bytes(tensors.encode({"numbers": np.zeros(9, np.uint8)}, notes))
    return path


def said(capsys, *words, status=0):
    assert cli.main(["cache", *words]) == status
    return capsys.readouterr()


def lines(capsys, *words):
    return said(capsys, *words).out.splitlines()


def test_every_kind_of_the_engine_has_words():
    source = "".join(path.read_text() for path in (ROOT / "rust" / "src").glob("**/*.rs"))
    kinds = set(re.findall(r'Key::(?:new|of_env)\(\s*"(\w+)"', source))
    assert kinds and {*kinds, cache.MODELS} == {*cached.KINDS}
    about = cli.module_of("cache").EPILOG
    assert all(kind in about for kind in cached.KINDS)


def test_the_list_says_what_each_file_is_for(folder, capsys):
    linear, permutation = sorted(folder.glob("states/*"))
    os.utime(linear, (0, time.mktime((2020, 2, 3, 4, 5, 6, 0, 0, -1))))
    head, first, second, total = lines(capsys, "list")
    assert head.split("  ")[0] == "name"
    words = "distances from the goal, for proofs of shortest solutions: {}, num_qubits={}"
    size = linear.stat().st_size
    about = f"{words.format('linear_function', 3)}, topology=line"
    used = "2020-02-03 04:05"
    assert re.split(" {2,}", first) == [
        f"states/{linear.stem}",
        f"{size / 1000:.1f}kB",
        used,
        about,
    ]
    assert second.endswith(f"{words.format('permutation', 5)}, topology=line")
    size += permutation.stat().st_size
    assert total == f"2 in {folder}, {size / 1000:.1f}kB"


def test_the_list_as_json(folder, capsys):
    paths = sorted(folder.glob("states/*"))
    told = json.loads(said(capsys, "list", "--json").out)
    assert told["folder"] == str(folder)
    assert [(one["kind"], one["name"], one["bytes"], one["used_at"]) for one in told["kept"]] == [
        ("states", path.stem, path.stat().st_size, path.stat().st_mtime) for path in paths
    ]


@pytest.mark.parametrize(
    ("kind", "name", "made_of", "about"),
    [
        ("patterns", "5x5-6", "1 patterns 5 5 6", "5x5, 6 tiles a group"),
        ("lessons", "5x5-600", "1 lessons 5 5 4 600 9", "5x5, 600 boards"),
        ("ranks", "clifford-6", '1 ranks clifford 2 {"edges":[[0,1],[1,2]],"difficulty":3} 4 5',
         "clifford, 2 edges"),
    ],
)  # fmt: skip
def test_words_of_other_kinds(folder, capsys, kind, name, made_of, about):
    path = write(folder / kind / f"{cache.named(name, made_of)}.safetensors", made_of)
    (line,) = [line for line in lines(capsys, "list") if path.stem in line]
    assert line.endswith(f"{cached.KINDS[kind]}: {about}")


def test_what_cannot_be_told_is_unknown(folder, capsys):
    without = write(folder / "states" / f"a-{NO_DIGEST}.safetensors")
    other_kind = write(folder / "more" / f"b-{NO_DIGEST}.safetensors", "9 more of it")
    others = write(folder / "patterns" / f"5x5-6-{NO_DIGEST}.safetensors", "1 patterns 5 5 6")
    loud = write(folder / "states" / f"c-{NO_DIGEST}.safetensors", '1 states \x1b[2J 1 {"a":1} 2')
    damaged = folder / "states" / f"d-{NO_DIGEST}.safetensors"
    damaged.write_bytes(b"no")
    told = {line.split()[0]: line for line in lines(capsys, "list")}
    for path in (without, other_kind):
        assert told[f"{path.parent.name}/{path.stem}"].endswith("  unknown")
    assert told[f"patterns/{others.stem}"].endswith("(of another version of TwisteRL)")
    assert "?[2J, a=1" in told[f"states/{loud.stem}"]
    assert told[f"states/{damaged.stem}"].endswith("damaged; is made again")
    assert len(lines(capsys, "clear")) == 8 and not [*folder.glob("*/*")]


def test_clear_deletes_all_of_ours_alone(folder, capsys):
    kept = sorted(folder.glob("states/*"))
    foreign = [folder / name for name in ("mine.txt", "states/mine.safetensors", "mine/a-1.txt")]
    foreign[2].parent.mkdir()
    for path in foreign:
        path.touch()
    link = folder / "states" / f"link-{NO_DIGEST}.safetensors"
    link.symlink_to(foreign[0])
    told = lines(capsys, "clear")
    assert [line.split(",")[0] for line in told[:-1]] == [f"deleted states/{p.stem}" for p in kept]
    assert told[-1].startswith(f"2 deleted from {folder}, ")
    assert all(path.exists() for path in [*foreign, link])
    assert lines(capsys, "list") == [f"nothing is kept in {folder}"]
    assert lines(capsys, "clear") == [f"0 deleted from {folder}, 0B"]


def test_clear_by_kinds_and_names(folder, capsys):
    linear, permutation = sorted(folder.glob("states/*"))
    table = write(folder / "patterns" / f"3x3-7-{NO_DIGEST}.safetensors")
    lines(capsys, "clear", "patterns", "lessons")
    assert not table.exists() and linear.exists()
    lines(capsys, "clear", "states/permutation-5")
    assert linear.exists() and not permutation.exists()
    lines(capsys, "clear", f"states/{linear.stem}")
    assert not linear.exists()


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["clear", "states", "pattern"], "unknown kind or name; did you mean patterns?"),
        (["clear", "states/permutation"], "unknown kind or name; did you mean states/permutation-"),
        (["clear", "../cache/states"], "unknown kind or name"),
        (["clear", ""], "unknown kind or name; known: classes, lessons, "),
        (["clear", "--json"], "--json: is of list"),
        (["list", "states"], 'list: takes nothing; got "states"'),
    ],
)  # fmt: skip
def test_what_it_does_not_know_is_refused_before_anything_goes(folder, capsys, words, problem):
    assert problem in said(capsys, *words, status=2).err
    assert len([*folder.glob("states/*")]) == 2


def test_what_is_being_written_is_left(folder, capsys):
    now, before = (
        folder / "states" / f"{name}-{NO_DIGEST}.safetensors.tmp-7" for name in ("now", "before")
    )
    now.touch()
    before.touch()
    os.utime(before, (0, time.time() - cache.ABANDONED_S - 1))
    assert sum(line.endswith("was not finished") for line in lines(capsys, "list")) == 2
    told = said(capsys, "clear", status=1)
    assert told.err == f"states/{now.name}: is being written; left\n"
    assert [*folder.glob("*/*")] == [now]


def test_models_are_folders(folder, capsys):
    config = {"env_cls": "Permutation", "env": {"num_qubits": 4, "max_depth": 8}}
    name = cache.named("permutation-4", json.dumps(config, sort_keys=True))
    model = folder / "models" / name
    model.mkdir(parents=True)
    (model / "base_config.json").write_text(json.dumps(config, indent=2))
    write(model / "checkpoint_best.safetensors")
    (line,) = [line for line in lines(capsys, "list") if name in line]
    assert line.endswith("network that leads synthesize: Permutation, num_qubits=4")
    mine = model / "mine.txt"
    mine.touch()
    told = said(capsys, "clear", "models", status=1)
    assert f"error: {mine}: holds what the cache has not written" in told.err
    assert len([*model.iterdir()]) == 3
    mine.unlink()
    lines(capsys, "clear", "models")
    assert not model.exists() and len([*folder.glob("states/*")]) == 2


def test_without_a_cache(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("TWISTERL_CACHE", "off")
    for words in (["list"], ["clear", "patterns"]):
        assert lines(capsys, *words) == ["nothing is kept: TWISTERL_CACHE is off"]
    monkeypatch.setenv("TWISTERL_CACHE", str(tmp_path / "none"))
    assert lines(capsys, "list") == [f"nothing is kept in {tmp_path / 'none'}"]
    file = tmp_path / "file"
    file.touch()
    monkeypatch.setenv("TWISTERL_CACHE", str(file))
    assert "is a file; expected a folder" in said(capsys, "clear", status=2).err
