"""The page of `twisterl web`, played in Chromium by clicks and keys, and by the agent."""

import copy
import os
import re
import shutil

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
pytest.importorskip("torch")
if os.environ.get("CI") != "true":  # There both are installed, or their lack is a failure.
    pytest.importorskip("playwright", reason="pip install playwright")
    if CHROMIUM is None:
        pytest.skip("apt-get install chromium", allow_module_level=True)

import torch  # noqa: E402
from module import DISCRETE  # noqa: E402
from playwright.sync_api import expect, sync_playwright  # noqa: E402
from twisterl import cli  # noqa: E402
from twisterl.config.validation import check_env  # noqa: E402
from twisterl.envs import listed  # noqa: E402
from twisterl.envs.protocol import obs_dtype  # noqa: E402
from twisterl.export import policy_file  # noqa: E402
from twisterl.nn import BasicPolicy  # noqa: E402
from twisterl.web import assemble  # noqa: E402
from twisterl.web.assemble import as_text  # noqa: E402
from twisterl.web.weights import rounded as rounded_rows  # noqa: E402

pytest_plugins = ["shared"]
# Pages answer within a second; the machine may be busy.
expect.set_options(timeout=10_000)
# The contrast that text must have, and that of large text (WCAG 2.2, 1.4.3).
TEXT, LARGE = 4.5, 3.0


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def puzzle_html(run, built, tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "puzzle.html"
    assert cli.main(["web", str(run[0]), "-o", str(path), "--engine", str(built)]) == 0
    return path


@pytest.fixture
def visit(browser):
    """Opens a page; at the end nothing may have been complained of or asked of a network."""
    contexts, said = [], []

    def visit(path, script=None, width=1100, height=900, **options):
        options["viewport"] = {"width": width, "height": height}
        context = browser.new_context(reduced_motion="reduce", **options)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: said.append(request.url))
        if script:
            page.add_init_script(script)
        page.goto(path.as_uri())
        # The page itself, and what it makes of its own parts.
        said[:] = [line for line in said if not line.startswith(("file:", "blob:", "data:"))]
        return page

    yield visit
    for context in contexts:
        context.close()
    assert [line for line in said if not line.startswith(("blob:", "data:"))] == []


@pytest.fixture
def puzzle(visit, puzzle_html):
    page = visit(puzzle_html)
    expect(page.locator("#status")).to_have_text("0 moves")
    return page


def status(page):
    return expect(page.locator("#status"))


def tile(page, number):
    return page.get_by_role("button", name=f"tile {number}", exact=True)


def test_a_persons_clicks_solve_a_board(puzzle):
    puzzle.get_by_role("button", name="Solved").click()
    status(puzzle).to_have_text("Solved")
    # The gap goes right, down and back, or tiles the other way.
    tile(puzzle, 1).click()
    status(puzzle).to_have_text("right · 1 move")
    expect(puzzle.locator("#optimum")).to_have_text("optimum: 1 move")
    tile(puzzle, 4).click()
    status(puzzle).to_have_text("down · 2 moves")
    # A tile that cannot move stays.
    tile(puzzle, 8).click()
    tile(puzzle, 4).click()
    tile(puzzle, 1).click()
    status(puzzle).to_have_text("Solved in 4 moves")
    # The whole row at once, then back by keys and by the slider.
    puzzle.get_by_role("button", name="Solved").click()
    tile(puzzle, 2).click()
    status(puzzle).to_have_text("right · 2 moves")
    puzzle.keyboard.press("Backspace")
    status(puzzle).to_have_text("right · 1 move")
    expect(puzzle.locator("#counter")).to_have_text("1 / 2")
    puzzle.keyboard.press(".")
    status(puzzle).to_have_text("right · 2 moves")
    puzzle.locator("#slider").fill("0")
    status(puzzle).to_have_text("Solved")
    # Keys move the gap, and what was ahead is gone.
    puzzle.locator("h1").click()
    puzzle.keyboard.press("ArrowDown")
    expect(puzzle.locator("#counter")).to_have_text("1 / 1")
    puzzle.keyboard.press("ArrowUp")
    status(puzzle).to_have_text("Solved in 2 moves")


def test_the_agent_solves_a_board(puzzle):
    for label in ("beam search, 64 wide", "tree search, 200 a move"):
        puzzle.get_by_role("button", name="Scramble").click()
        status(puzzle).to_have_text("0 moves")
        puzzle.locator("#method").select_option(label=label)
        puzzle.locator("#speed").select_option(label="fast")
        puzzle.get_by_role("button", name="Solve from here").click()
        result = puzzle.locator("#result")
        if label.startswith("tree"):
            # It may fail; what is said must be true.
            expect(result).to_have_text(re.compile(r"\d+ moves \(|Not solved by tree search"))
            continue
        expect(result).to_have_text(re.compile(r"^beam search, 64 wide: \d+ moves \("))
        expect(result).to_have_text(re.compile(r"The optimum is \d+\.$"))
        found, optimum = re.search(
            r": (\d+) moves .*optimum is (\d+)", result.inner_text()
        ).groups()
        assert int(found) >= int(optimum) > 0
        status(puzzle).to_have_text(f"Solved in {found} moves")
        # Every place of the solution can be looked at again.
        puzzle.locator("#slider").fill("1")
        expect(puzzle.locator("#optimum")).to_have_text(re.compile(r"optimum: \d+ move"))
        expect(puzzle.locator("#curve polyline")).to_be_attached()
    # What was said of a board is not said of the next one, whose optimum is known in a moment.
    puzzle.get_by_role("button", name="Scramble").click()
    expect(puzzle.locator("#optimum")).to_have_text(re.compile(r"optimum: \d+ move"))
    expect(result).to_be_empty()


def test_its_advice_is_the_policys(puzzle, run):
    puzzle.get_by_role("button", name="Solved").click()
    status(puzzle).to_have_text("Solved")
    tile(puzzle, 1).click()
    tile(puzzle, 4).click()
    status(puzzle).to_have_text("down · 2 moves")
    env = listed.Puzzle(**check_env("Puzzle", {}, "test").as_dict())
    env.set_state([1, 4, 2, 3, 0, 5, 6, 7, 8])
    probabilities, value = run[1].to_rust().full_predict(env.observe(), env.masks())
    expect(puzzle.locator("#value")).to_have_text(f"{value:.2f}")
    expect(puzzle.locator("#actions button")).to_have_text(
        [
            f"{name}{100 * p:.1f} %"
            for name, p in zip(env.action_names(), probabilities, strict=True)
        ]
    )
    puzzle.locator("#actions button.best").click()
    status(puzzle).to_contain_text("3 moves")


def test_rounded_weights_play_as_they_are_told(run, built, visit, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("twisterl.cli.web.MOST_BYTES", 0)
    path = tmp_path / "rounded.html"
    assert cli.main(["web", str(run[0]), "-o", str(path), "--engine", str(built)]) == 0
    assert "weights are rounded to a byte each" in capsys.readouterr().out
    page = visit(path)
    status(page).to_have_text("0 moves")
    page.get_by_role("button", name="Solved").click()
    tile(page, 1).click()
    status(page).to_have_text("right · 1 move")
    # Those of the network whose rows are rounded, which are not those of the exact one.
    policy = copy.deepcopy(run[1])
    weights = policy.state_dict()
    rounded = rounded_rows({name: values.numpy() for name, values in weights.items()})
    weights |= {name: torch.from_numpy(rows.matrix()) for name, rows in rounded.items()}
    policy.load_state_dict(weights)
    env = listed.Puzzle(**check_env("Puzzle", {}, "test").as_dict())
    env.set_state([1, 0, 2, 3, 4, 5, 6, 7, 8])
    exact, near = (
        one.to_rust().full_predict(env.observe(), env.masks()) for one in (run[1], policy)
    )
    assert exact != near and near == (
        pytest.approx(exact[0], abs=0.05),
        pytest.approx(exact[1], abs=0.05),
    )
    shown = [f"{100 * p:.1f} %" for p, legal in zip(near[0], env.masks(), strict=True) if legal]
    expect(page.locator("#actions button:enabled span:last-child")).to_have_text(shown)


def test_the_page_responds_while_it_searches(puzzle):
    puzzle.locator("#method").select_option(label="beam search, 1024 wide")
    puzzle.get_by_role("button", name="Solve from here").click()
    # The page's own thread is free: a click is taken at once, whatever the search does.
    puzzle.get_by_role("button", name="light or dark").click()
    assert puzzle.evaluate("document.documentElement.dataset.theme") == "dark"
    expect(puzzle.locator("#result")).to_have_text(re.compile(r"moves \("))


@pytest.mark.parametrize(("scheme", "width"), [("light", 1100), ("dark", 360)])
def test_what_is_drawn_can_be_read(visit, puzzle_html, scheme, width):
    page = visit(puzzle_html, width=width, color_scheme=scheme, has_touch=True)
    status(page).to_have_text("0 moves")
    tiles = page.locator(".tile")
    expect(tiles).to_have_count(8)
    boxes = [box.bounding_box() for box in tiles.all()]
    corners = {(round(box["x"]), round(box["y"])) for box in boxes}
    sides = {round(side) for box in boxes for side in (box["width"], box["height"])}
    # Eight squares at eight places, each large enough for a finger.
    assert len(corners) == 8 and max(sides) - min(sides) <= 1 and min(sides) >= 80
    for wide in (width, 320, 800):
        page.set_viewport_size({"width": wide, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= wide
        assert page.evaluate(CUT_OFF) == [], wide
    page.set_viewport_size({"width": width, "height": 900})
    texts = {"#status": TEXT, "#about": TEXT, "#help": TEXT, "#solve": TEXT, ".tile": LARGE}
    for what, least in texts.items():
        assert contrast(page, what) >= least, what
    # By touch, and without a pointer.
    page.locator("#goal").tap()
    tile(page, 1).tap()
    status(page).to_have_text("right · 1 move")
    tile(page, 1).focus()
    page.keyboard.press("Enter")
    status(page).to_have_text("Solved in 2 moves")


# Words that their places are too narrow for.
CUT_OFF = """[...document.querySelectorAll("button, select, p, h1, h2, #status, #counter")]
    .filter((part) => part.scrollWidth > part.clientWidth + 1)
    .map((part) => part.id || part.textContent)"""


def contrast(page, what):
    """Between the colour of a text and the ground behind it."""
    return page.locator(what).first.evaluate(
        """element => {
            const channels = (text) => {
                const paint = document.createElement("canvas").getContext("2d");
                paint.fillStyle = text;
                paint.fillRect(0, 0, 1, 1);
                return [...paint.getImageData(0, 0, 1, 1).data];
            };
            const light = (text) => {
                const [r, g, b] = channels(text).map((c) => c / 255)
                    .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
                return 0.2126 * r + 0.7152 * g + 0.0722 * b;
            };
            let ground = element;
            while (channels(getComputedStyle(ground).backgroundColor)[3] === 0) {
                ground = ground.parentElement;
            }
            const pair = [light(getComputedStyle(element).color),
                light(getComputedStyle(ground).backgroundColor)].sort((a, b) => b - a);
            return (pair[0] + 0.05) / (pair[1] + 0.05);
        }"""
    )


SHAPES = {
    "Puzzle": ".tile", "LightsOut": ".lamp", "Cube2": ".sticker", "Permutation": ".token",
    "LinearFunction": ".bit", "GridWorld": ".cell", "TopSpin": ".token", "Pancake": ".pancake",
}  # fmt: skip
COUNTS = {"Puzzle": 8, "LightsOut": 25, "Cube2": 24, "Permutation": 5, "LinearFunction": 25,
          "GridWorld": 25, "TopSpin": 20, "Pancake": 10}  # fmt: skip


@pytest.mark.parametrize("name", DISCRETE)
def test_every_environment_has_a_page(visit, built, tmp_path, name):
    part = check_env(name, {}, "test")
    env = getattr(listed, name)(**part.as_dict())
    policy = BasicPolicy(
        env.obs_shape(), env.num_actions(), 8, common_layers=[], obs_dtype=obs_dtype(env)
    )
    policy.set_permutations(*env.twists())
    facts = {
        "run": "test", "algorithm": "nobody", "judged_by_value": False,
        "environment": {"env_cls": name, "env": part.as_dict()}, "play": {"strategy": "greedy"},
    }  # fmt: skip
    content = policy_file.encode(part, env, policy)
    path = tmp_path / "page.html"
    path.write_text(assemble(name, facts, built.read_bytes(), content), encoding="utf-8")
    page = visit(path)
    status(page).to_have_text(re.compile("0 moves|Solved"))
    expect(page.locator("#value")).not_to_have_text("–")
    if name in SHAPES:
        expect(page.locator(SHAPES[name])).to_have_count(COUNTS[name])
    else:
        expect(page.locator(".plain")).not_to_be_empty()
    page.locator("#actions button:enabled").first.click()
    expect(page.locator("#counter")).to_have_text("1 / 1")
    shown = page.locator("#board").inner_html()
    page.keyboard.press("Backspace")
    expect(page.locator("#counter")).to_have_text("0 / 1")
    if name in SHAPES:
        assert page.locator("#board").inner_html() != shown


def test_no_part_of_a_page_ends_it():
    """Nor begins a comment; of each character the lower 7 bits count."""
    given = b"</script><!-- \0\r"
    bits = "".join(f"{code:07b}" for code in given)
    text = as_text(int(bits, 2).to_bytes(len(bits) // 8, "big"))
    assert [ord(letter) & 127 for letter in text] == list(given)
    assert not any(mark in text for mark in ("</", "<!", "\0", "\r"))


def fault(page):
    return expect(page.get_by_role("alert"))


def test_an_engine_of_another_version_is_said(visit, run, built, tmp_path):
    older, path = tmp_path / "older.wasm", tmp_path / "older.html"
    older.write_bytes(built.read_bytes().replace(b"use_clock", b"use_watch"))
    assert cli.main(["web", str(run[0]), "-o", str(path), "--engine", str(older)]) == 0
    fault(visit(path)).to_contain_text("lacks use_clock, it is of another version")


def test_what_is_missing_is_said(visit, puzzle_html, tmp_path):
    page = visit(puzzle_html, script="delete globalThis.WebAssembly")
    fault(page).to_contain_text("This browser has no WebAssembly with SIMD")
    text = puzzle_html.read_text(encoding="utf-8")
    place = text.index('<script id="engine"') + 5000
    damaged = {
        "changed": text[:place] + "AAAABBBB" * 5 + text[place + 40 :],
        "none": re.sub(r'(<script id="policy"[^>]*>)[^<]*', r"\1", text),
        "run": text.replace('type="application/json">{', 'type="application/json">}', 1),
    }
    for name, content in damaged.items():
        path = tmp_path / f"{name}.html"
        path.write_text(content, encoding="utf-8")
        fault(visit(path)).to_contain_text("This page is damaged")
