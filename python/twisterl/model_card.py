"""The page of a run on a model hub: what it solves, how well, how it was made, and its files."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from twisterl.cli.numbers import count, duration
from twisterl.runs.history import History
from twisterl.sharing import CARD, DIGESTS


def model_card(
    repo: str, run: History, report: Mapping[str, Any] | None, files: Mapping[str, bytes]
) -> str:
    """The card as Markdown with a head in YAML.

    Args:
        repo: its name on the hub, OWNER/NAME.
        run: what the run has left.
        report: what `twisterl eval --json` says of it; None where it was not played.
        files: those that are sent beside the card.
    """
    env, algorithm = (str(run.config.get(f"{kind}_cls", "")) for kind in ("env", "algorithm"))
    env, algorithm = env.rpartition(".")[2], algorithm.rpartition(".")[2]
    given = run.config.get("env")
    arguments = given if isinstance(given, dict) else {}
    told = ", ".join(f"{name}={json.dumps(value)}" for name, value in arguments.items())
    parts = [
        _head(env, algorithm, repo, report),
        f"# {repo.rpartition('/')[2]}\n",
        f"A policy for `{env}({told})`, trained by {algorithm} with TwisteRL.\n",
        "## How well it solves\n",
        _table(_judged(report)) if report else "It was not judged when it was sent.\n",
        "## How it was trained\n",
        f"```sh\n{_command(run)}\n```\n",
        _table({**_training(run), **{name: value for name, value in run.machine.items() if value}}),
        "## Use\n",
        f"```sh\npip install twisterl\ntwisterl hub pull {repo}\n```\n\n"
        "It prints the folder of the run, which `twisterl eval`, `solve`, `play` and `web` take. "
        "Loading runs no code: weights are safetensors, and classes of other packages are imported "
        "only with `--trust`.\n",
        "## Files\n",
        _digests(files),
    ]
    return "\n".join(parts)


def _head(env: str, algorithm: str, repo: str, report: Mapping[str, Any] | None) -> str:
    """Values as JSON writes them, which YAML reads."""
    lines = ["---", "library_name: twisterl", "pipeline_tag: reinforcement-learning"]
    tags = ["reinforcement-learning", "twisterl", env, algorithm]
    lines.append(f"tags: {json.dumps([tag for tag in tags if tag])}")
    if report:
        metrics = [{"type": "success_rate", "value": report["success"], "name": "solved"}]
        if report.get("mean_length") is not None:
            metrics.append({"type": "mean_length", "value": report["mean_length"], "name": "moves"})
        result = {
            "task": {"type": "reinforcement-learning", "name": "reinforcement-learning"},
            "dataset": {"type": env, "name": env},
            "metrics": metrics,
        }
        index = [{"name": repo.rpartition("/")[2], "results": [result]}]
        lines.append(f"model-index: {json.dumps(index)}")
    return "\n".join([*lines, "---", ""])


def _judged(report: Mapping[str, Any]) -> dict[str, Any]:
    from twisterl.cli.player import play_name

    low, high = report["interval"]
    starts = "drawn from all solvable states" if report["start"] == "uniform" else "as it resets"
    found = {
        "solved": f"{report['success']:.1%} (95 %: {low:.1%} to {high:.1%})",
        "episodes": f"{report['num_episodes']:,}, {starts}, seed {report['seed']}",
        "play": play_name(dict(report)),
        "mean reward": f"{report['mean_reward']:.4f}",
    }
    if report.get("mean_length") is not None:
        found["mean length"] = f"{report['mean_length']:.2f} moves, of the solved ones"
    if "optimal" in report:
        found["optimal"] = f"{report['optimal']:.1%} of the solutions"
        found["length / optimum"] = f"{report['length_over_optimum']:.3f}"
    return found


def _command(run: History) -> str:
    """That of the training, with what the config does not say."""
    words = ["twisterl train --config base_config.json"]
    learning = run.algorithm.get("learning")
    length = learning.get("num_steps") if isinstance(learning, dict) else None
    if run.planned is not None and run.planned != length:
        words.append(f"--num_steps {run.planned}")
    if run.started_from is not None:
        # The folders of a machine are nobody else's.
        words.append(f"--load_checkpoint_path {shlex.quote(PurePath(run.started_from).name)}")
    return " ".join(words)


def _training(run: History) -> dict[str, Any]:
    told: dict[str, Any] = {
        "seed": run.algorithm.get("seed", 0),
        "iterations": f"{run.iterations:,}",
    }
    if run.rows:
        told["time"] = duration(run.rows[-1]["elapsed_s"])
        steps = run.rows[-1].get("total_steps")
        if isinstance(steps, int):
            told["steps"] = count(steps)
    return told


def _table(pairs: Mapping[str, Any]) -> str:
    rows = "".join(f"| {_cell(name)} | {_cell(value)} |\n" for name, value in pairs.items())
    return f"| | |\n| --- | --- |\n{rows}"


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def _digests(files: Mapping[str, bytes]) -> str:
    digests = json.loads(files[DIGESTS])
    rows = "".join(f"| `{name}` | `{digest}` |\n" for name, digest in digests.items())
    return (
        f"`{DIGESTS}` holds their SHA-256, which `twisterl hub pull` compares; {CARD} is this page."
        f"\n\n| file | SHA-256 |\n| --- | --- |\n{rows}"
    )
