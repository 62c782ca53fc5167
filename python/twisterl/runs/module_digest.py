"""Which WebAssembly module a run is of: its SHA-256 in the run folder, as `sha256sum` writes it."""

from __future__ import annotations

from typing import Any

from twisterl.envs.wasm_env import WasmEnv
from twisterl.runs.errors import RunFolderError
from twisterl.runs.files import write_atomic
from twisterl.runs.folder import MODULE, RunFolder


def keep(env: Any, folder: RunFolder) -> None:
    """Writes down the module of `env`, if it is one."""
    if isinstance(env, WasmEnv):
        line = f"{env.module.sha256}  {env.module.path}\n"
        write_atomic(folder.path / MODULE, line.encode())


def require_same(env: Any, folder: RunFolder) -> None:
    """Raises `RunFolderError` if `env` is another module than the run in `folder` is of."""
    path = folder.path / MODULE
    if not isinstance(env, WasmEnv) or not path.is_file():
        return
    kept = path.read_text(encoding="utf-8", errors="replace").partition(" ")[0]
    if kept != env.module.sha256:
        problem = f"the run is of a module with the SHA-256 {kept:.16}, and {env.module.path} has "
        problem += f"{env.module.sha256:.16}; bring the run's own back, or train anew"
        raise RunFolderError(f"{path}: {problem}")
