"""Pages of `twisterl web` in a headless browser, and what they lose: `web` of run.py."""

from __future__ import annotations

import argparse
import contextlib
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import sides
from results import row
from sides import OURS, ROOT, spread

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Iterations: enough to solve all boards of the first, nearly all of the second, most of the third.
TRAINED = {"rw_puzzle8_v1": 25, "rw_puzzle15_v1": 12, "rw_top_spin_v1": 8}
BOARDS = 20
# The width of the beam, and the most milliseconds of a board.
GOALS = {"rw_puzzle8_v1": (128, 15), "rw_puzzle15_v1": (256, 1000)}
# When the first move of the agent is shown, in ms since the page was opened.
WATCH = """
const look = () => {
    if (document.querySelector("#actions .best")) globalThis.shown ??= performance.now();
};
new MutationObserver(look).observe(document, { subtree: true, childList: true, attributes: true });
"""
# The longest time between two turns of the page's own thread.
TURNS = """() => {
    globalThis.longest = 0;
    let last = performance.now();
    const turn = () => {
        globalThis.longest = Math.max(globalThis.longest, performance.now() - last);
        last = performance.now();
        setTimeout(turn);
    };
    turn();
}"""


def web(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Pages of puzzles in Chromium: opening, solving, size; and what rounded weights lose."""
    with tempfile.TemporaryDirectory() as folder, opened() as browser:
        runs = {name: trained(name, Path(folder)) for name in TRAINED}
        pages = {name: made(run) for name, run in runs.items()}
        rows = []
        for name, (width, most) in GOALS.items():
            times = [first_move(browser, pages[name]) for _ in range(options.repeats)]
            found, longest = solved(browser, pages[name], width)
            what = f"{name}, beam {width}"
            rows += [
                row(f"{name}: first move shown after", "ms", {OURS: spread(times)}, at_most=500),
                row(f"{what}: a board", "ms", {OURS: spread(found)}, at_most=most),
                row(f"{what}: solved of {BOARDS}", "", figure(len(found))),
                row(f"{what}: longest wait of the page", "ms", figure(longest)),
            ]
        return rows + sizes(pages) + losses(runs) + differences(runs)


@contextlib.contextmanager
def opened() -> Iterator[Any]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError as error:
        raise sides.UnavailableError("pip install playwright") from error
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        raise sides.UnavailableError("apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


def trained(name: str, folder: Path) -> Path:
    command = [sys.executable, "-m", "twisterl.train", "--run_path", str(folder / name)]
    command += ["--config", str(ROOT / "examples" / f"{name}.json")]
    sides.printed([*command, "--num_steps", str(TRAINED[name])], sides.environment(OURS, 2))
    return folder / name


def made(run: Path) -> Path:
    page = run.with_suffix(".html")
    sides.printed([sys.executable, "-m", "twisterl.cli", "web", str(run), "-o", str(page)])
    return page


def first_move(browser: Any, path: Path) -> float:
    context = browser.new_context(bypass_csp=True)
    page = context.new_page()
    page.add_init_script(WATCH)
    page.goto(path.as_uri())
    page.wait_for_function("globalThis.shown !== undefined")
    shown = float(page.evaluate("globalThis.shown"))
    context.close()
    return shown


def solved(browser: Any, path: Path, width: int) -> tuple[list[float], float]:
    """Milliseconds of each search that the page tells of, and of its longest wait."""
    context = browser.new_context(bypass_csp=True)
    page = context.new_page()
    page.goto(path.as_uri())
    page.locator("#method").select_option(label=f"beam search, {width} wide")
    found: list[float] = []
    # The first searches are compiled.
    for board in range(BOARDS + 2):
        if board == 2:
            found.clear()
            page.evaluate(TURNS)
        page.evaluate("document.querySelector('#counter').textContent = ''")
        page.locator("#scramble").click()
        page.locator("#counter", has_text="0 / 0").wait_for()
        page.locator("#solve").click()
        page.wait_for_function("/ ms/.test(document.querySelector('#result').textContent)")
        told = page.locator("#result").inner_text()
        if not told.startswith("Not solved"):
            found.append(float(re.search(r"([\d.]+) ms", told)[1]))  # type: ignore[index]
    longest = float(page.evaluate("globalThis.longest"))
    context.close()
    return found, longest


def sizes(pages: dict[str, Path]) -> list[dict[str, Any]]:
    return [
        row(f"{name}: the page", "MB", figure(path.stat().st_size / 1e6), at_most=1)
        for name, path in pages.items()
    ]


def losses(runs: dict[str, Path]) -> list[dict[str, Any]]:
    """What weights of a byte each change: logits, and beams of 64 on 100 boards."""
    from twisterl.cli import player
    from twisterl.config.build import build_player
    from twisterl.export import policy_file
    from twisterl.web.weights import rounded

    rows = []
    for name, run in runs.items():
        saved = player.read(str(run), trust=True)
        env, policy = build_player(saved.config, saved.folder.weights_path("last"), trust=True)
        exact = policy.to_rust()
        arrays = policy_file.arrays_of(policy)
        policy.load_state_dict({**arrays, **{k: r.matrix() for k, r in rounded(arrays).items()}})
        near = policy.to_rust()
        outputs, lengths = compared(env, exact, near)
        rows.append(row(f"{name}: logits, largest difference by rounding", "", figure(outputs)))
        for kind, found in zip(("exact", "rounded"), lengths, strict=True):
            what = f"{name}, {kind} weights, beam 64"
            rows.append(row(f"{what}: solved of 100", "", figure(len(found))))
            rows.append(row(f"{what}: mean length", "moves", figure(float(np.mean(found)))))
    return rows


def differences(runs: dict[str, Path]) -> list[dict[str, Any]]:
    """What the module's portable loops round otherwise than those of this processor: logits."""
    sys.path.insert(0, str(ROOT / "tests" / "wasm"))
    import wasmtime
    from module import Module
    from twisterl.cli import player
    from twisterl.config.build import build_player
    from twisterl.export import policy_file
    from twisterl.web import engine

    compiler = wasmtime.Engine()
    compiled = wasmtime.Module(compiler, engine())
    rows = []
    for name, run in runs.items():
        saved = player.read(str(run), trust=True)
        env, policy = build_player(saved.config, saved.folder.weights_path("last"), trust=True)
        module = Module(compiler, compiled, lambda: 0.0)
        module.make(saved.config.env.name, **saved.config.env.as_dict())
        module.hand_over("load_policy", policy_file.encode(saved.config.env, env, policy))
        native, worst = policy.to_rust(), 0.0
        for seed in range(100):
            state = env.random_state(seed)
            env.set_state(state)
            module.set_state(state)
            features = np.array(env.observe(), np.int32)
            logits, values = native.forward_batch(features, np.array([0, len(features)]))
            given = np.append(logits[0], values[0]) - module.ask("logits")
            worst = max(worst, float(np.abs(given).max()))
        what = f"{name}: logits, largest difference from the native engine"
        rows.append(row(what, "", figure(worst)))
    return rows


def compared(env: Any, *networks: Any) -> tuple[float, list[list[int]]]:
    """The largest difference of their logits, and the lengths of the boards that each solves."""
    from twisterl.twisterl import collector

    outputs, lengths = [], [[] for _ in networks]
    for seed in range(100):
        state = env.random_state(seed)
        env.set_state(state)
        features = np.array(env.observe(), np.int32)
        offsets = np.array([0, len(features)])
        told = [network.forward_batch(features, offsets)[0] for network in networks]
        outputs.append(np.abs(told[0] - told[1]).max())
        for network, found in zip(networks, lengths, strict=True):
            asked = {"strategy": "beam", "beam_width": 64, "num_cores": 1, "seed": seed}
            (success, _), actions = collector.solve(env, network, **asked)
            if success:
                found.append(len(actions))
    return float(max(outputs)), lengths


def figure(value: float) -> dict[str, Any]:
    return {OURS: {"median": float(value)}}
