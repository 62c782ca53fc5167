"""Ray nodes in network namespaces of their own: one is cut off, slowed, and joined again.

    python tests/soak/nodes.py --count 3    so many rounds, two minutes each

Only in namespaces that it makes, and which end with it: a bridge joins the head's and two nodes'.
Whatever happens, a collection has the bytes of one process and does not take longer than the stated
time-out, a start of a worker and a margin. Needs root and iproute2; without them it says so.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HUB, HEAD, NODES = "twisterl-hub", "twisterl-head", ("twisterl-a", "twisterl-b")
ADDRESS = "10.77.0.1"
PORT = 6379
TIMEOUT_S = 20.0
# Of a node, on a machine that others use too.
START_S = 120.0
# A lost range is asked again after the time-out; a node takes some seconds to start.
MOST_S = 2 * TIMEOUT_S + 30
NODE = "--num-cpus=1 --object-store-memory=80000000 --disable-usage-stats"
# Each node has its own files, as on a machine of its own.
PRIVATE = "mount --make-rprivate / && mount -t tmpfs none /tmp && mount -t tmpfs none /dev/shm"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=1, help="rounds (1)")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        return rounds(options.count)
    if not shutil.which("ip") or os.geteuid():
        print("skipped: needs root and iproute2")
        return 0
    made: list[str] = []
    try:
        make(made)
        inside = [sys.executable, str(Path(__file__).resolve()), "--inside"]
        inside += ["--count", str(options.count)]
        command = [*within(HEAD), f"{PRIVATE} && exec {' '.join(inside)}"]
        child = subprocess.Popen(command, start_new_session=True, cwd=ROOT)
        try:
            return child.wait(timeout=60 + options.count * 6 * MOST_S)
        finally:
            # Ray's daemons are in the session of what started them.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
    finally:
        for space in made:
            found = run("ip", "netns", "pids", space).split()
            for pid in map(int, found):
                os.kill(pid, signal.SIGKILL)
            run("ip", "netns", "del", space)


def run(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def within(space: str) -> list[str]:
    return ["ip", "netns", "exec", space, "unshare", "-m", "sh", "-c"]


def make(made: list[str]) -> None:
    for space in (HUB, HEAD, *NODES):
        run("ip", "netns", "add", space)
        made.append(space)
        run("ip", "-n", space, "link", "set", "lo", "up")
    run("ip", "-n", HUB, "link", "add", "bridge", "type", "bridge")
    run("ip", "-n", HUB, "link", "set", "bridge", "up")
    for number, space in enumerate((HEAD, *NODES), 1):
        link = f"v{number}"
        run("ip", "-n", HUB, "link", "add", link, "type", "veth", "peer", "eth0", "netns", space)
        run("ip", "-n", HUB, "link", "set", link, "master", "bridge", "up")
        run("ip", "-n", space, "addr", "add", f"10.77.0.{number}/24", "dev", "eth0")
        run("ip", "-n", space, "link", "set", "eth0", "up")


class Node:
    """A node that ends when it is told to, or when Ray takes it for lost."""

    def __init__(self, number: int) -> None:
        self.link, self._address = f"v{number + 2}", f"10.77.0.{number + 2}"
        self._space = NODES[number]
        self.start()

    def start(self) -> None:
        start = f"ray start --address={ADDRESS}:{PORT} --node-ip-address={self._address} {NODE}"
        command = [*within(self._space), f"{PRIVATE} && exec {start} --block"]
        quiet = subprocess.DEVNULL
        self._child = subprocess.Popen(command, stdout=quiet, stderr=quiet)

    def set_link(self, state: str) -> None:
        run("ip", "-n", HUB, "link", "set", self.link, state)

    def slow(self) -> None:
        limit = ["rate", "2mbit", "burst", "16kb", "latency", "400ms"]
        run("tc", "-n", HUB, "qdisc", "add", "dev", self.link, "root", "tbf", *limit)

    def restore(self) -> None:
        run("tc", "-n", HUB, "qdisc", "del", "dev", self.link, "root")

    def join(self) -> None:
        """Starts it anew if it has ended, or ends it first: Ray has forgotten a lost node."""
        for pid in map(int, run("ip", "netns", "pids", self._space).split()):
            os.kill(pid, signal.SIGKILL)
        self._child.wait()
        self.start()


def rounds(count: int) -> int:
    sys.path[:0] = [str(ROOT / "python"), str(ROOT / "tests" / "python")]
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    # A token of this user's would be asked of some processes and not known to others.
    os.environ["RAY_AUTH_MODE"] = "disabled"
    os.environ["RAY_agent_register_timeout_ms"] = str(round(1000 * START_S))
    from test_machines import config, contents
    from twisterl.utils import prepare_algorithm

    head = f"ray start --head --node-ip-address={ADDRESS} --port={PORT} --num-cpus=0 "
    head += "--include-dashboard=false --object-store-memory=80000000 --disable-usage-stats"
    subprocess.run(head.split(), check=True, stdout=subprocess.DEVNULL)
    import ray

    ray.init(f"{ADDRESS}:{PORT}", log_to_driver=False, logging_level="ERROR")

    def started(number: int) -> Node:
        node, end = Node(number), time.monotonic() + START_S
        while sum(node["Alive"] for node in ray.nodes()) < number + 2:
            assert time.monotonic() < end, "a node does not start"
            time.sleep(0.5)
        return node

    nodes = [started(0), started(1)]
    workers = {"backend": "ray", "address": f"{ADDRESS}:{PORT}", "num_workers": 2}
    workers["timeout_s"] = TIMEOUT_S
    # Seconds of play, so that what happens to a node happens in the middle of a collection.
    long = {"num_episodes": 1024, "num_mcts_searches": 400}
    alone = prepare_algorithm(config("AZ", **long))
    algorithm = prepare_algorithm(config("AZ", **long, workers=workers))
    whole = contents(alone.collect()[0])
    transport = algorithm.connect().coordinator.transport
    asked = transport.ask

    def collect(what: str) -> None:
        begun = time.monotonic()
        assert contents(algorithm.collect()[0]) == whole, what
        taken = time.monotonic() - begun
        counts = algorithm._crew.coordinator.counts()
        told = f"{counts['lost']} lost, {counts['repeated']} repeated"
        print(f"{what}: {taken:.1f} s, {counts['workers']} workers, {told}", flush=True)
        assert taken < MOST_S, what

    def both() -> None:
        end = time.monotonic() + MOST_S
        while transport.num_workers() < 2:
            assert time.monotonic() < end, "no second worker"
            algorithm.collect()

    for number in range(count):
        node = nodes[number % 2]
        both()
        collect("both nodes")
        node.slow()
        collect("one of them slowed")
        node.restore()

        def cut(worker, packed, part, node=node):
            asked(worker, packed, part)
            transport.ask = asked
            node.set_link("down")

        transport.ask = cut
        collect("one of them cut off in mid-collection")
        collect("one of them away")
        time.sleep(TIMEOUT_S + 1)
        collect("one of them away for longer than the time-out")
        node.set_link("up")
        collect("its link up again")
        node.join()
        both()
        collect("joined again")
    print(f"{count} rounds, all bytes equal", flush=True)
    algorithm.disconnect()
    return 0


if __name__ == "__main__":
    sys.exit(main())
