"""The peers, each in a virtual environment of its own.

    python benchmarks/peers/peer.py [NAME]    makes benchmarks/.venv-NAME and prints its interpreter

Without a name it is twisterl 0.5.1, which gets torch and numpy of the running interpreter where
there are any, so that both sides run on the same ones and nothing large is downloaded twice.
"""

from __future__ import annotations

import argparse
import functools
import importlib.util
import os
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

BENCHMARKS = Path(__file__).resolve().parents[1]


class PeerUnavailable(RuntimeError):
    """The peer cannot be installed or run here; the text says why."""


@dataclass(frozen=True)
class Peer:
    """What is installed where, and what measures it."""

    name: str
    # As people call it.
    title: str
    requirements: tuple[str, ...]
    # Python that fails where the environment is not what it should be.
    check: str
    # Answers requests on its standard input, by worker.serve; from benchmarks.
    script: str
    # Installed without what they ask for.
    alone: tuple[str, ...] = ()
    # Taken from the running interpreter where it has them all.
    borrowed: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        return BENCHMARKS / f".venv-{self.name}"

    @property
    def python(self) -> Path:
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    @functools.cache  # noqa: B019 (there is one object of each peer)
    def ensure(self) -> Path:
        """The interpreter of the peer's environment, which is made if it is not there.

        Raises:
            PeerUnavailable: with the last lines of what failed.
        """
        if self.python.exists() and _run([str(self.python), "-c", self.check]) is None:
            return self.python
        venv.create(self.folder, clear=True, with_pip=True)
        pip = [str(self.python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        if self.alone:
            self._require([*pip, "--no-deps", *self.alone])
        found = self._borrow()
        wanted = [*self.requirements, *(x for x in self.borrowed if x not in found)]
        if wanted:
            self._require([*pip, *wanted])
        self._require([str(self.python), "-c", self.check])
        return self.python

    def _borrow(self) -> list[str]:
        """Makes packages of this interpreter importable there; their names."""
        found = {name: importlib.util.find_spec(name) for name in self.borrowed}
        origins = [str(spec.origin) for spec in found.values() if spec and spec.origin]
        if len(origins) < len(found):
            return []
        code = "import sysconfig; print(sysconfig.get_path('purelib'))"
        packages = subprocess.check_output([str(self.python), "-c", code], text=True).strip()
        homes = dict.fromkeys(str(Path(origin).parents[1]) for origin in origins)
        # A .pth file comes after the environment's own packages, so its twisterl is the peer's.
        (Path(packages) / "borrowed.pth").write_text("\n".join(homes) + "\n")
        return list(found)

    def _require(self, command: list[str]) -> None:
        problem = _run(command)
        if problem is not None:
            raise PeerUnavailable(f"{self.title} is not available here: {problem}")


def _run(command: list[str]) -> str | None:
    """None if `command` succeeds, else the end of what it said."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    done = subprocess.run(command, env=clean, capture_output=True, text=True, check=False)
    return None if done.returncode == 0 else (done.stderr or done.stdout).strip()[-400:]


def jax_peer(name: str, version: str, script: str, *more: str) -> Peer:
    """A peer of exactly this version on JAX; `more` are further requirements."""
    return Peer(
        name=name,
        title=f"{name} {version}",
        requirements=(f"{name}=={version}", "jax==0.10.2", *more),
        check=f"""
import importlib.metadata, jax, {name}
assert importlib.metadata.version("{name}") == "{version}"
assert jax.default_backend() == "cpu"
""",
        script=script,
    )


# What twisterl 0.5.1 imports beside torch and numpy. It asks for an old huggingface-hub.
OLD_REQUIREMENTS = ("huggingface-hub>=0.34,<0.35", "loguru", "safetensors", "tensorboard")
OLD_CHECK = """
import importlib.metadata, pathlib, sys, torch, twisterl.rl, twisterl.twisterl
assert importlib.metadata.version("twisterl") == "0.5.1"
assert pathlib.Path(twisterl.__file__).is_relative_to(sys.prefix), twisterl.__file__
"""
# What qiskit-gym 0.4.2 asks for besides twisterl.
QISKIT = ("qiskit>=2.1,<3", "gymnasium==1.4.0")

PEERS = {
    peer.name: peer
    for peer in (
        Peer(
            name="peer",
            title="twisterl 0.5.1",
            alone=("twisterl==0.5.1",),
            requirements=OLD_REQUIREMENTS,
            borrowed=("numpy", "torch"),
            check=OLD_CHECK,
            script="worker.py",
        ),
        Peer(
            name="qiskit-gym",
            title="qiskit-gym 0.4.2",
            alone=("qiskit-gym==0.4.2",),
            requirements=QISKIT,
            borrowed=("numpy", "pydantic", "torch", "twisterl"),
            check="""
import importlib.metadata, qiskit_gym.rl, twisterl
assert importlib.metadata.version("qiskit-gym") == "0.4.2"
assert tuple(map(int, twisterl.__version__.split("."))) >= (0, 5, 10), twisterl.__version__
""",
            script="peers/circuits.py",
        ),
        Peer(
            name="qiskit-gym-peer",
            title="qiskit-gym 0.4.2 with twisterl 0.5.1",
            alone=("qiskit-gym==0.4.2", "twisterl==0.5.1"),
            requirements=(*QISKIT, *OLD_REQUIREMENTS),
            borrowed=("numpy", "torch"),
            check=f"import qiskit_gym.rl\n{OLD_CHECK}",
            script="peers/circuits.py",
        ),
        Peer(
            name="ibm-models",
            title="IBM's models (qiskit-ibm-ai-local-transpiler 0.5.5)",
            alone=("qiskit-ibm-ai-local-transpiler==0.5.5",),
            requirements=(),
            check="""
import importlib.metadata
assert importlib.metadata.version("qiskit-ibm-ai-local-transpiler") == "0.5.5"
""",
            script="peers/ibm.py",
        ),
        jax_peer("mctx", "0.0.71", "peers/mctx_search.py"),
        jax_peer("evosax", "0.3.2", "peers/evosax_es.py"),
        jax_peer("jumanji", "1.1.2", "peers/jax_steps.py"),
        jax_peer("pgx", "2.6.0", "peers/jax_steps.py"),
        Peer(
            name="sb3",
            title="Stable-Baselines3 2.9.2",
            alone=("stable-baselines3==2.9.2", "sb3-contrib==2.9.2"),
            requirements=("gymnasium==1.4.0",),
            borrowed=("numpy", "torch"),
            check="""
import importlib.metadata, sb3_contrib
for name in ("stable-baselines3", "sb3-contrib"):
    assert importlib.metadata.version(name) == "2.9.2", name
""",
            script="peers/sb3_steps.py",
        ),
    )
}


def ensure(name: str = "peer") -> Path:
    """The interpreter of the peer `name`; see `Peer.ensure`."""
    return PEERS[name].ensure()


@functools.cache  # A failed installation takes long; it is tried once.
def problem(name: str) -> str | None:
    """Why the peer `name` cannot be measured here, if it cannot."""
    try:
        ensure(name)
    except PeerUnavailable as error:
        return str(error)
    return None


def is_there(options: argparse.Namespace, name: str = "peer") -> bool:
    """Whether peers are wanted and this one can be measured; if not, `options.skipped` says why."""
    if not options.peer:
        return False
    reason = problem(name)
    if reason is not None:
        options.skipped.append(f"{options.running}: {reason}")
    return reason is None


if __name__ == "__main__":
    try:
        print(ensure(*sys.argv[1:2]))
    except PeerUnavailable as error:
        sys.exit(str(error))
