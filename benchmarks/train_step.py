"""Full-batch PPO updates: ours against twisterl 0.5.1 on the same data, weights and threads.

    python benchmarks/train_step.py [--width 3] [--difficulty 16] [--threads 2]

Samples are states of random walks from the solved board, as a collection of 1,024 episodes would
meet them, all actions legal (the peer's loss ignores masks). Each side runs `--epochs` updates
`--repeats` times from the same weights, in a process of its own; the sides alternate, so that a
busy machine slows both. Printed: the median of sample-epochs per second, the ratio, and the
largest difference of the four losses of the first update.

The peer is an installation of twisterl 0.5.1 that another interpreter (`--peer-python`) or a
folder (`--peer-path`) gives.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

LOSSES = ("value", "policy", "entropy", "total")
ACTIONS = 4
TRAINING = {
    "vf_coef": 0.8,
    "ent_coef": 0.01,
    "clip_ratio": 0.1,
    "normalize_advantage": True,
}


def walks(width: int, difficulty: int, episodes: int, rng: np.random.Generator) -> np.ndarray:
    """Boards [N, width * width] on random walks of 2 * difficulty moves after a scramble."""
    cells = width * width
    boards = np.tile(np.arange(cells), (episodes, 1))
    blank = np.zeros(episodes, np.int64)
    seen = []
    for step in range(3 * difficulty):
        x, y = blank % width, blank // width
        move = rng.integers(ACTIONS, size=episodes)
        to_x = np.clip(x + np.array([-1, 0, 1, 0])[move], 0, width - 1)
        to_y = np.clip(y + np.array([0, -1, 0, 1])[move], 0, width - 1)
        target, every = to_y * width + to_x, np.arange(episodes)
        boards[every, blank], boards[every, target] = boards[every, target], 0
        blank = target
        if step >= difficulty:
            seen.append(boards.copy())
    return np.concatenate(seen)


def make_data(width: int, difficulty: int, episodes: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(7)
    boards = walks(width, difficulty, episodes, rng)
    count, cells = boards.shape
    return {
        "obs": boards + np.arange(cells) * cells,
        "logits": rng.normal(size=(count, ACTIONS)).astype(np.float32) * 0.3,
        "actions": rng.integers(ACTIONS, size=count),
        "advs": rng.normal(size=count).astype(np.float32),
        "rets": rng.normal(size=count).astype(np.float32),
    }


def as_collected(data) -> SimpleNamespace:
    """What data_to_torch of either side reads (the lists of 0.5.1)."""
    return SimpleNamespace(
        obs=data["obs"].tolist(),
        logits=data["logits"],
        values=None,
        rewards=None,
        actions=data["actions"],
        perms=[-1] * len(data["obs"]),
        additional_data={"advs": data["advs"], "rets": data["rets"]},
    )


def worker(side: str, folder: Path, options: argparse.Namespace) -> None:
    """One repeat of one side: prints a JSON line with the losses and the seconds."""
    import torch

    if side == "peer" and options.peer_path:
        sys.path.insert(0, options.peer_path)
    from twisterl.nn import BasicPolicy
    from twisterl.rl.ppo import PPO

    torch.set_num_threads(options.threads)
    cells = options.width**2
    torch.manual_seed(3)
    policy = BasicPolicy([cells, cells], ACTIONS, embedding_size=512, common_layers=(256,))
    # No environment and no collector: an update needs neither.
    algorithm = object.__new__(PPO)
    algorithm.policy = policy
    algorithm.obs_size = cells * cells
    algorithm.optimizer = torch.optim.Adam(
        policy.parameters(), lr=1.5e-4, **({"fused": True} if side == "ours" else {})
    )
    training = {**TRAINING, "num_epochs": options.epochs}
    algorithm.config = {"device": "cpu", "training": training}
    if side == "ours":
        constant = {"kind": "constant", "num_iterations": None, "final_ratio": 0.0}
        unset = dict.fromkeys(("minibatch_size", "target_kl", "max_grad_norm", "ent_coef_final"))
        training.update(unset, lr_schedule=constant)
        algorithm.config.update(seed=0, optimizer={"lr": 1.5e-4})
        algorithm.num_threads, algorithm.iteration = options.threads, 0
        algorithm.num_iterations = None
    data = dict(np.load(folder / "data.npz"))
    batch, prepare_s = algorithm.data_to_torch(as_collected(data))
    weights = {k: v.clone() for k, v in policy.state_dict().items()}
    # One pass gives the losses that are compared; a second sees memory that is there already.
    losses, _ = algorithm.train_step(batch)
    algorithm.train_step(batch)
    policy.load_state_dict(weights)
    start, cpu = time.perf_counter(), time.process_time()
    algorithm.train(batch)
    seconds, cpu_s = time.perf_counter() - start, time.process_time() - cpu
    result = {"losses": [losses[name] for name in LOSSES], "seconds": seconds, "cpu_s": cpu_s}
    print(json.dumps({**result, "prepare_s": prepare_s}))


def run(side: str, folder: Path, options: argparse.Namespace) -> dict:
    python = options.peer_python if side == "peer" and options.peer_python else sys.executable
    command = [python, __file__, *sys.argv[1:], "--worker", side, "--folder", str(folder)]
    environment = dict(os.environ, OMP_NUM_THREADS=str(options.threads))
    if side == "peer":
        environment.pop("PYTHONPATH", None)
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{side}: exit status {done.returncode}\n{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--width", type=int, default=3)
    parser.add_argument("--difficulty", type=int, default=16)
    parser.add_argument("--episodes", type=int, default=1024)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peer-python", help="interpreter that has twisterl 0.5.1")
    parser.add_argument("--peer-path", help="folder that holds the package of twisterl 0.5.1")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--worker", choices=("ours", "peer"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    options = parse()
    if options.worker:
        worker(options.worker, options.folder, options)
        return
    sides = ["ours", *(["peer"] if options.peer_python or options.peer_path else [])]
    data = make_data(options.width, options.difficulty, options.episodes)
    samples, distinct = len(data["obs"]), len(np.unique(data["obs"], axis=0))
    report = {
        "width": options.width,
        "difficulty": options.difficulty,
        "threads": options.threads,
        "samples": samples,
        "distinct": distinct,
    }
    results: dict[str, list[dict]] = {side: [] for side in sides}
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "data.npz", **data)
        for _ in range(options.repeats):
            for side in sides:
                results[side].append(run(side, Path(folder), options))
    for side in sides:
        for clock in ("seconds", "cpu_s"):
            median = float(np.median([result[clock] for result in results[side]]))
            report[f"{side}_sample_epochs_per_{clock}"] = samples * options.epochs / median
        report[f"{side}_prepare_s"] = float(np.median([r["prepare_s"] for r in results[side]]))
    if "peer" in sides:
        for clock in ("seconds", "cpu_s"):
            rates = [report[f"{side}_sample_epochs_per_{clock}"] for side in ("ours", "peer")]
            report[f"ratio_{clock}"] = rates[0] / rates[1]
        losses = [np.array(results[side][0]["losses"]) for side in ("ours", "peer")]
        report["largest_loss_difference"] = float(np.abs(losses[0] - losses[1]).max())
    if options.json:
        print(json.dumps(report))
    else:
        for name, value in report.items():
            print(f"{name:40s} {value:>14,.6g}")


if __name__ == "__main__":
    main()
