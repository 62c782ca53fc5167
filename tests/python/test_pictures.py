"""Boards and solutions as pictures, for every environment."""

import io
import re
import sys
import xml.etree.ElementTree as ElementTree

import pytest
from PIL import Image
from twisterl import cli, envs
from twisterl.config.registry import REGISTRY
from twisterl.envs import LightsOut, Puzzle, PyEnv
from twisterl.pictures import Replay, picture_of, svg_of
from twisterl.pictures.gif import MOST_BYTES
from twisterl.twisterl import collector
from twisterl.twisterl.env import ENVIRONMENTS

LAMPS = ["solve", "--optimal", "--env", "LightsOut", "width=3", "height=3", "1 1 0 1 0 0 0 0 0"]
SVG = "{http://www.w3.org/2000/svg}"


def made(name):
    return getattr(envs, name)(**REGISTRY["env_cls"][name][1]().model_dump())


def puzzle(width=4, height=4):
    return Puzzle(width, height, difficulty=8, depth_slope=2, max_depth=256)


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_every_environment_is_drawn_within_its_picture(name):
    env = made(name)
    env.reset(seed=1)
    picture = picture_of(env)
    assert len(picture.shapes) > 1
    assert len({shape.identity for shape in picture.shapes}) == len(picture.shapes)
    for shape in picture.shapes:
        assert (
            shape.width / 2 <= shape.x + 1e-6 and shape.x + shape.width / 2 < picture.width + 1e-6
        )
        assert shape.height / 2 <= shape.y + 1e-6
        assert shape.y + shape.height / 2 < picture.height + 1e-6
    tree = ElementTree.fromstring(env._repr_svg_())
    assert tree.tag == SVG + "svg" and env._repr_svg_() == svg_of(env)


def test_a_tile_stands_where_the_state_has_it():
    env = puzzle()
    env.set_state(env.random_state(3))
    places = {shape.label: (shape.x, shape.y) for shape in picture_of(env).shapes if shape.label}
    rows = sorted({y for _, y in places.values()})
    columns = sorted({x for x, _ in places.values()})
    for cell, tile in enumerate(env.get_state()):
        if tile:
            assert places[str(tile)] == (columns[cell % 4], rows[cell // 4])


def test_a_lamp_that_is_lit_has_another_colour():
    env = LightsOut(width=3, height=3)
    env.set_state([1, 0, 0, 0, 0, 0, 0, 0, 1])
    fills = [s.fill for s in picture_of(env).shapes if s.name.startswith("lamp")]
    assert fills[0] == fills[8] != fills[1] and len(set(fills)) == 2


def test_a_long_solution_of_the_15_puzzle_is_small():
    env = puzzle()
    env.set_state(env.random_state(1))
    state = env.get_state()
    actions, length = collector.solve_optimal(env, state)
    replay = Replay(env, actions)
    assert env.get_state() == state
    content = replay.gif()
    assert length == 50 and len(content) <= MOST_BYTES == 300_000
    image = Image.open(io.BytesIO(content))
    assert image.n_frames > length and image.info["loop"] == 0
    image.seek(0)
    first = image.convert("RGB")
    image.seek(image.n_frames - 1)
    assert first.tobytes() != image.convert("RGB").tobytes()


def test_the_svg_moves_by_itself():
    env = puzzle(2, 2)
    env.set_state([1, 3, 0, 2])
    actions, _ = collector.solve_optimal(env, env.get_state())
    text = Replay(env, actions).svg()
    tree = ElementTree.fromstring(text)
    assert not list(tree.iter(SVG + "script")) and "prefers-reduced-motion" in text
    rules = dict(re.findall(r"@keyframes (s\d+)\{((?:[\d.]+%\{[^}]*\})+)\}", text))
    moving = [group.get("class") for group in tree.iter(SVG + "g") if group.get("class")]
    assert sorted(moving) == sorted(rules) and rules
    tiles = {g.find(SVG + "text").text: g for g in tree.iter(SVG + "g") if g.find(SVG + "text") is not None}  # fmt: skip  # noqa: E501
    for place, tile in ((1, "1"), (2, "2")):
        # At the end it is where the solved board has it.
        solved = puzzle(2, 2)
        solved.set_state([0, 1, 2, 3])
        goal = next(s for s in picture_of(solved).shapes if s.label == str(place))
        last = re.search(r"100%\{([^}]*)\}", rules[tiles[tile].get("class")])[1]
        assert f",{goal.y:.2f}".rstrip("0").rstrip(".") in last


def test_a_page_has_every_step_and_asks_for_nothing():
    env = puzzle(2, 2)
    env.set_state([1, 0, 2, 3])
    text = Replay(env, [0]).html("<Puzzle>")
    assert text.count("<figure>") == 2 and "&lt;Puzzle&gt;" in text
    assert "<script" not in text and "default-src 'none'" in text
    assert not re.search(r'(?:src|href)="(?!data:)', text)


def test_a_solution_shows_itself_in_a_notebook():
    env = puzzle(2, 2)
    assert Replay(env, [])._repr_html_().startswith('<img alt="the board after each of 0 moves"')


def test_an_environment_in_python_is_shown_in_its_letters():
    class Plain:
        def num_actions(self): return 1  # fmt: skip

        def obs_shape(self): return [1]  # fmt: skip

        def reset(self, difficulty): pass  # fmt: skip

        def next(self, action): pass  # fmt: skip

        def masks(self): return [True]  # fmt: skip

        def is_final(self): return False  # fmt: skip

        def value(self): return 0.0  # fmt: skip

        def success(self): return False  # fmt: skip

        def observe(self): return [0]  # fmt: skip

        def set_state(self, state): pass  # fmt: skip

        def copy(self): return Plain()  # fmt: skip

        def __str__(self): return "a <b>\x1b"  # fmt: skip

    text = PyEnv(Plain())._repr_svg_()
    assert "a &lt;b&gt;�" in text
    ElementTree.fromstring(text)


def test_solve_draws(tmp_path, capsys):
    files = [tmp_path / f"lamps.{kind}" for kind in ("gif", "svg", "html")]
    words = [word for path in files for word in (f"--{path.suffix[1:]}", str(path))]
    assert cli.main([*LAMPS, *words]) == 0
    out = capsys.readouterr().out
    for path in files:
        assert f"{path}: {path.stat().st_size:,} bytes" in out
    assert files[0].read_bytes().startswith(b"GIF89a") and "LightsOut" in files[2].read_text()


def test_where_nothing_can_be_drawn(tmp_path, capsys, monkeypatch):
    missing = tmp_path / "missing" / "lamps.svg"
    assert cli.main([*LAMPS, "--svg", str(missing)]) == 2
    assert "expected a file in a folder that exists" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    target = tmp_path / "lamps.gif"
    assert cli.main([*LAMPS, "--gif", str(target)]) == 2
    assert "a GIF needs the package matplotlib" in capsys.readouterr().err
    assert not target.exists()


def test_no_other_kind_of_file(tmp_path):
    with pytest.raises(ValueError, match=r"path: expected a name in .gif, .svg, .html"):
        Replay(puzzle(2, 2), []).save(tmp_path / "solution.mp4")
