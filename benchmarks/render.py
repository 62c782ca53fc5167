"""Writes the tables of README.md, benchmarks/README.md and docs from benchmarks/results.

    python benchmarks/render.py            between <!-- results:start --> and <!-- results:end -->
    python benchmarks/render.py --check    exits with 1 when a page differs

Every number is a committed result with the command that made it. The READMEs show `make bench`
alone: benchmarks/README.md all of it, README.md what people ask for first.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import preset_results
from results import BESIDE, LEARNING, LONGEST_S

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
START, END = "<!-- results:start -->", "<!-- results:end -->"
HEAD = "| what | TwisteRL | peer | ratio | benchmark |\n| --- | ---: | ---: | ---: | --- |\n"
# Of the table of `languages` and `instructions`; the titles of the columns follow.
LANGUAGES_HEAD = "| what | instructions | "
SIGNS = {"at_most": "≤", "at_least": "≥", "ratio": "≥", "ratio_cpu": "≥"}
# Heading in README.md: result files with the names of their rows there.
CHOSEN: dict[str, dict[str, tuple[str, ...]]] = {
    "From scratch to a solver": {
        "memory": (
            "`make train`: sampled success 0.95 on its 200 random boards after",
            "`make train`: start to end",
            "peak memory of `make train`",
        ),
        "strategies": (
            "8-puzzle, PPO, sample 10: solved",
            "8-puzzle, PPO, sample 10: moves / optimum",
            "8-puzzle, PPO, beam 128: moves / optimum",
        ),
        "walk8": (
            "8-puzzle, walks: all boards by beam 16 after",
            "8-puzzle, walks: training",
            "8-puzzle, walks, beam 128: optimal",
        ),
        "az8": (
            "8-puzzle, AlphaZero: both goals below met after",
            "8-puzzle, AlphaZero, 16 simulations: solved",
            "8-puzzle, AlphaZero, 16 simulations: length / optimum",
        ),
        "es8": (
            "8-puzzle, Mojo ES by the policy: solved within 10 s",
            "8-puzzle, Mojo ES by the value of the next state: solved within 60 s",
        ),
    },
    "Speed": {
        "collect": (
            "collection 3×3, exact f32, no cache, 1 thread",
            "collection 3×3, exact f32, no cache, 2 threads",
            "collection 3×3, cache, 1 thread",
            "collection 3×3, cache, 2 threads",
        ),
        "search": (
            "search, 100 simulations a move, difficulty 32, every leaf evaluated, 1 thread",
            "search, 100 simulations a move, difficulty 32, cache, 1 thread",
            "search, Gumbel, 32 simulations a move (peer: mctx, batch 512), 1 thread",
        ),
        "train_step": ("training step 3×3, 2 threads",),
        "iterate": ("learning iteration 3×3, 2 threads",),
        "evaluate": ("evaluate 1,000 episodes sampled, 1 thread",),
        "solve": ("solve one board, greedy, from Python",),
        "engine": (
            "combined step, 3×3",
            "search, PUCT 100, the tree alone, 3×3",
        ),
        "mojo": ("Mojo: combined step, InlineArray", "Mojo: Evolution Strategies, 2 threads"),
        "es": (
            "Evolution Strategies, Rust (peer: Mojo), 1 thread: policy steps",
            "Evolution Strategies, 256 members × 8 episodes × 32 steps (peer: OpenES), "
            "1 thread: generations",
        ),
        "imports": ("import twisterl",),
    },
}

# In docs/random-walks.md.
LEVERS = (
    *("levers", "one_board", "beam_weights", "goal_table", "reflection", "commuting", "parities"),
)
# In docs/synthesis.md.
CIRCUITS = ("linear", "cliffords", "maps", "routing", "couplings", "synthesis")


def main() -> int:
    shown = pages()
    stale = []
    for path, text in shown.items():
        before, rest = path.read_text(encoding="utf-8").split(START)
        _, after = rest.split(END)
        page = f"{before}{START}\n{text}{END}{after}"
        if page != path.read_text(encoding="utf-8"):
            stale.append(path.relative_to(ROOT))
            if "--check" not in sys.argv:
                path.write_text(page, encoding="utf-8")
    measured = preset_results.text()
    if preset_results.PLACE.read_text(encoding="utf-8") != measured:
        stale.append(preset_results.PLACE.relative_to(ROOT))
        if "--check" not in sys.argv:
            preset_results.PLACE.write_text(measured, encoding="utf-8")
    for path in stale:
        print(f"{path}: {'differs from the results' if '--check' in sys.argv else 'written'}")
    return 1 if stale and "--check" in sys.argv else 0


def pages() -> dict[Path, str]:
    """What stands between the marks of each page; READMEs show what `make bench` measures."""
    readme = ROOT / "benchmarks" / "README.md"
    elsewhere = ("updates", "environments", "tasks", "task_networks", "recall", "az15")
    elsewhere += ("az_search", "shared_nodes", "clients", "machines", "web", "patterns", "lessons")
    elsewhere += LEVERS
    elsewhere += (*BESIDE, *CIRCUITS)
    learning = tuple(name for name in LEARNING if name not in elsewhere)
    return {
        ROOT / "README.md": chosen_tables(),
        readme: f"{steps('')}### All others\n\n{table(quick())}",
        ROOT / "docs" / "learning.md": table(learning),
        ROOT / "docs" / "environments.md": outcomes(),
        ROOT / "docs" / "alphazero.md": table(("az8", "az15", "az_search", "shared_nodes")),
        ROOT / "docs" / "optimum.md": table(("optimum", "patterns", "lessons")),
        ROOT / "docs" / "memory.md": recalled(),
        ROOT / "docs" / "web.md": table(("web",)),
        ROOT / "docs" / "training.md": table(("updates",)),
        ROOT / "docs" / "coming-from-twisterl-0.5.md": table(("clients",)),
        ROOT / "docs" / "machines.md": table(("machines",)),
        ROOT / "docs" / "synthesis.md": by_subject(CIRCUITS),
        ROOT / "docs" / "random-walks.md": table(LEVERS),
    }


def quick() -> tuple[str, ...]:
    """The benchmarks of `make bench` with results, those of README.md first."""
    chosen = [benchmark for files in CHOSEN.values() for benchmark in files]
    others = sorted({path.stem for path in RESULTS.glob("*.json")} - set(LEARNING))
    return tuple(dict.fromkeys(chosen + others))


def chosen_tables() -> str:
    """The tables of README.md, a heading each, with the machines below; last the languages'."""
    text, shown = "", []
    for heading, files in CHOSEN.items():
        contents = read(tuple(files))
        lines = [chosen(content, files[content["benchmark"]]) for content in contents]
        text += f"### {heading}\n\n{HEAD}{''.join(lines)}\n"
        shown += contents
    whole = sum(content["took_s"] for content in read(quick()))
    judged = f"goal ≤ {LONGEST_S:.0f}{'' if whole <= LONGEST_S else ', missed'}"
    run = (
        "All tables of the READMEs come from one `make bench`, which took "
        f"{whole:.0f} s ({judged}).\n\n"
    )
    return f"{run}{text}{notes(shown)}\n{steps('benchmarks/')}"


def table(benchmarks: tuple[str, ...]) -> str:
    """All rows of these benchmarks in Markdown with the machines below; empty without results."""
    contents = read(benchmarks)
    lines = [line(row, content["benchmark"]) for content in contents for row in rows_of(content)]
    return f"{HEAD}{''.join(lines)}\n{notes(contents)}" if contents else ""


def by_subject(benchmarks: tuple[str, ...]) -> str:
    """A table for each of these benchmarks: a line for what its rows name before the colon, a
    column for each thing that they tell of it, first what a peer has too, then one of the peer."""
    contents = read(benchmarks)
    tables = []
    for content in contents:
        rows = {tuple(row["name"].split(": ", 1)): row for row in rows_of(content)}
        subjects = dict.fromkeys(subject for subject, _ in rows)
        sides: dict[str, list[str]] = {}
        for (_, what), row in rows.items():
            shown = sides.setdefault(what, ["ours"])
            if "peer" in row and len(shown) == 1:
                shown.append("peer")
        compared_first = sorted(sides.items(), key=lambda item: -len(item[1]))
        columns = [(what, side) for what, shown in compared_first for side in shown]
        titles = [what if side == "ours" else f"{what}, peer" for what, side in columns]
        lines = []
        for subject in subjects:
            cells = [cell(rows.get((subject, what)), side) for what, side in columns]
            lines.append(f"| {' | '.join([subject, *cells])} |\n")
        head = f"| | {' | '.join(titles)} |\n| --- |{' ---: |' * len(columns)}\n"
        tables.append(f"### {content['benchmark'].capitalize()}\n\n{head}{''.join(lines)}\n")
    return f"{''.join(tables)}{origin(contents)}" if contents else ""


def cell(row: dict[str, Any] | None, side: str) -> str:
    """What a row tells of a side, after ours the goal; empty where there is no row."""
    if row is None:
        return ""
    judged = ratio(row) if side == "ours" else ""
    return f"{figure(row, side)} {judged}".strip()


def read(benchmarks: tuple[str, ...]) -> list[dict[str, Any]]:
    """The results of these benchmarks, in this order, without those that were never run."""
    paths = [RESULTS / f"{benchmark}.json" for benchmark in benchmarks]
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths if path.exists()]


def chosen(content: dict[str, Any], names: tuple[str, ...]) -> str:
    # Of two rows of one name the first is in seconds, the second in those of a processor.
    rows = {row["name"]: row for row in reversed(rows_of(content))}
    missing = [name for name in names if name not in rows]
    if missing:
        sys.exit(f"results/{content['benchmark']}.json has no row {missing[0]!r}: measure it anew")
    return "".join(line(rows[name], content["benchmark"]) for name in names)


def rows_of(content: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows without columns of their own."""
    return [row for row in content["rows"] if "columns" not in row]


def steps(here: str) -> str:
    """The same steps in every language and of the peers, a column each; empty without results.

    `here` is the way from the page to this folder.
    """
    contents = read(("languages",))
    if not contents:
        return ""
    rows, counts = contents[0]["rows"], instructions()
    titles = list(max((row["columns"] for row in rows), key=len))
    lines = []
    for row in rows:
        medians = [row["columns"].get(title, {}).get("median") for title in titles]
        cells = ["" if median is None else digits(median) for median in medians]
        counted = digits(counts[row["name"]]) if row["name"] in counts else ""
        lines.append(f"| {' | '.join([row['name'], counted, *cells])} |\n")
    return (
        "### The same steps in every language\n\n"
        "Nanoseconds of one processor for one reset or step of one board, in every column (Rust's "
        "by the clock, with a processor to itself; the others' by its time); the "
        f"instructions are those of Rust. [workloads.json]({here}workloads.json) has the sizes.\n\n"
        f"{LANGUAGES_HEAD}{' | '.join(titles)} |\n"
        f"| --- |{' ---: |' * (len(titles) + 1)}\n{''.join(lines)}\n"
        "`combined step`: observe, masks, step by a random one of the four actions, reward and "
        "end; `rollout`: 10,000 of them with resets. `policy step`: a combined step by the "
        "likeliest action of a network of that size (twisterl 0.5.1 draws it). Python calls one "
        "method after the other, and the engine for the last two; the peers on JAX and "
        "Stable-Baselines3, which plays boards in numpy, step many boards together. pgx has no "
        "sliding puzzle: its column is 2048 on 4×4, the network 496-32-4. An empty cell: no such "
        "function.\n\n"
        f"{origin(read(('languages', 'instructions')))}\n"
    )


def instructions() -> dict[str, float]:
    """Instructions of a step in Rust by the name of the row."""
    rows = [row for content in read(("instructions",)) for row in content["rows"]]
    return {row["name"]: row["ours"]["median"] for row in rows}


def digits(value: float) -> str:
    """Three digits, and commas in place of letters."""
    return f"{value:.3g}" if value < 1000 else f"{float(f'{value:.3g}'):,.0f}"


def outcomes() -> str:
    """What the example configs reach, a line for each kind of starts."""
    content = json.loads((RESULTS / "environments.json").read_text())
    rows = {(row["name"], row["unit"]): row for row in content["rows"]}
    lines = [
        "| config | starts | sampled success | mean length | training | processors |\n"
        "| --- | --- | ---: | ---: | ---: | ---: |\n"
    ]
    for name, _ in rows:
        which, _, what = name.partition(": ")
        if what == "sampled success":
            config, _, starts = which.partition(", ")
            keys = [(name, "%"), (f"{which}: mean length", "actions")]
            keys += [(f"{config}: training", unit) for unit in ("s", "CPU-s")]
            figures = [f"{figure(rows[key], 'ours')} {ratio(rows[key])}".strip() for key in keys]
            link = f"[{config}.json](../examples/{config}.json)"
            lines.append(f"| {' | '.join([link, starts, *figures])} |\n")
    seeds = content["rows"][0]["ours"]["rounds"]
    lines.append(f"\nMedians of {seeds} seeds.\n" if seeds > 1 else "\nOne seed.\n")
    tasks = read(("tasks", "task_networks"))
    beside = [line(row, each["benchmark"]) for each in read(BESIDE) for row in rows_of(each)]
    compared = f"{HEAD}{''.join(beside)}\n" if beside else ""
    measured = origin([content, *tasks, *read(BESIDE)])
    return "".join(lines) + f"\n{returns(tasks)}\n{compared}{measured}"


def returns(contents: list[dict[str, Any]]) -> str:
    """What the example configs of tasks reach, a line each, of the worst seed."""
    every = [row for content in contents for row in content["rows"]]
    rows = {(row["name"], row["unit"]): row for row in every}
    lines = [
        "| task | mean return, worst seed | solved, worst seed | training | processors | steps |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: |\n"
    ]
    for name, _ in rows:
        config, _, what = name.partition(": ")
        if what == "mean return":
            reached, solved = rows[name, ""], rows[f"{config}: solved", "%"]
            took = [rows[f"{config}: training", unit] for unit in ("s", "CPU-s", "steps")]
            cells = [
                f"{readable(reached['ours']['low'])} {ratio(reached)}",
                f"{readable(solved['ours']['low'])} %",
                *(f"{figure(row, 'ours')} {ratio(row)}".strip() for row in took),
            ]
            link = f"[{config}.json](../examples/{config}.json)"
            lines.append(f"| {' | '.join([link, *cells])} |\n")
    seeds = every[0]["ours"]["rounds"]
    note = f"Of training the median of {seeds} seeds; its goal is for the slowest."
    return "".join(lines) + f"\n{note}\n"


def recalled() -> str:
    """What each memory makes of the memory task, a line each; nothing before it was measured."""
    contents = read(("recall",))
    if not contents:
        return ""
    rows = {(row["name"], row["unit"]): row for row in contents[0]["rows"]}
    text = (
        "| config | solved, worst seed | training, slowest seed | processors | steps |\n"
        "| --- | ---: | ---: | ---: | ---: |\n"
    )
    for name in dict.fromkeys(name.partition(":")[0] for name, _ in rows):
        solved, took = rows[f"{name}: solved", "%"], rows[f"{name}: training", "s"]
        cells = [
            f"{readable(solved['ours']['low'])} % {ratio(solved)}",
            f"{readable(took['ours']['high'])} s {ratio(took)}",
            *(figure(rows[f"{name}: training", unit], "ours") for unit in ("CPU-s", "steps")),
        ]
        text += f"| {' | '.join([f'[{name}.json](../examples/{name}.json)', *cells])} |\n"
    seeds = contents[0]["rows"][0]["ours"]["rounds"]
    return f"{text}\nOf processors and steps the median of {seeds} seeds.\n\n{origin(contents)}"


def line(row: dict[str, Any], benchmark: str) -> str:
    ours, peer = (figure(row, side) for side in ("ours", "peer"))
    if benchmark == "engine" and row["name"] in (counts := instructions()):
        ours += f", {digits(counts[row['name']])} instructions"
    cells = [row["name"], ours, peer, ratio(row), benchmark]
    return "| " + " | ".join(cells) + " |\n"


def figure(row: dict[str, Any], side: str) -> str:
    if side not in row:
        return ""
    return f"{readable(row[side]['median'])} {row['unit']}".strip()


def readable(value: float) -> str:
    if value == float("inf"):
        return "never"
    for size, letter in ((1e6, "M"), (1e4, "k")):
        if value >= size:
            return f"{value / (1e6 if letter == 'M' else 1e3):.3g} {letter}"
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def ratio(row: dict[str, Any]) -> str:
    """The ratio and, where it has one, the goal that it or our figure was set."""
    text = f"**{row['ratio']['median']:.3g}×**" if "ratio" in row else ""
    if "goal" in row:
        (kind, value), *_ = row["goal"].items()
        bound = readable(value) if kind.startswith("at_") else f"{readable(value)}×"
        words = "within {} either way" if kind == "within_cpu" else f"{SIGNS[kind]} {{}}"
        clock = " by CPU time" if kind.endswith("_cpu") else ""
        mark = "" if row["goal"]["met"] else ", missed"
        text += f" (goal {words.format(bound)}{clock}{mark})"
    return text.strip()


def notes(contents: list[dict[str, Any]]) -> str:
    """Where and how: sides, commands and machines."""
    return (
        "The peer is twisterl 0.5.1 where the row names no other; both sides take turns on the "
        "same processors, torch, weights and threads. Medians; ratios are medians over rounds. "
        "`python benchmarks/run.py <benchmark>` measures one; `strategies` plays uniform boards by "
        "the network that `make train` trained. Spread and load are in `benchmarks/results/`.\n\n"
    ) + origin(contents)


def made_by(command: str, contents: list[dict[str, Any]]) -> str:
    """Which results `command` writes and how many seconds each took, where that is recorded."""
    if not contents:
        return ""
    taken = {content["benchmark"]: content.get("took_s") for content in contents}
    each = [f"{name} {'' if s is None else f'{s:.0f} s'}".strip() for name, s in taken.items()]
    total = sum(seconds for seconds in taken.values() if seconds is not None)
    together = f"; {total:.0f} s together" if len(contents) > 1 else ""
    commits = ", ".join(dict.fromkeys(content["commit"] for content in contents))
    return f"By `{command}`: {', '.join(each)}{together}; commit {commits}.\n"


def origin(contents: list[dict[str, Any]]) -> str:
    """The commands that made the results, the machines and how busy they were."""
    text = "".join(
        made_by(command, [c for c in contents if (c["benchmark"] in LEARNING) == is_learning])
        for command, is_learning in (("make bench", False), ("make bench-learning", True))
    )
    found: dict[str, list[str]] = {}
    for content in contents:
        machine = content["machine"]
        rust = machine["rust"].split(" (")[0]
        known_by = (
            f"{machine['processor']}; {machine['cores']} cores, {machine['memory_gib']} GiB; "
            f"Python {machine['python']}, torch {machine['torch']}, {rust}"
        )
        found.setdefault(known_by, []).append(content["benchmark"])
    for machine, names in found.items():
        which = "" if len(found) == 1 else f" ({', '.join(names)})"
        text += f"Machine{which}: {machine}.\n"
    loads = [content["machine"]["load_at_end"] for content in contents]
    known = [load for load in loads if load is not None]
    if known:
        low, high = f"{min(known):.1f}", f"{max(known):.1f}"
        span = low if low == high else f"{low} to {high}"
        text += f"Load average when the benchmarks ended: {span}.\n"
    return text


if __name__ == "__main__":
    sys.exit(main())
