"""IBM's shipped models for linear functions, qiskit-ibm-ai-local-transpiler 0.5.5, without qiskit.

Started by sides.py. The package's compiled module holds models and search; the maps are read from
its source, for the rest of it asks for an older qiskit.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from pathlib import Path
from typing import Any

from worker import Round, serve

# Of each synthesis, as the package itself asks for.
RUNS = 10


def package() -> Path:
    found = importlib.util.find_spec("qiskit_ibm_ai_local_transpiler")
    assert found is not None and found.origin is not None
    return Path(found.origin).parent


def constants() -> dict[str, Any]:
    """The names, hashes and coupling maps of the models, by the names of the package's lists."""
    tree = ast.parse((package() / "linear_function" / "utils.py").read_text())
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            if node.targets[0].id in ("MODEL_NAMES", "MODEL_CMAPS"):
                found[node.targets[0].id] = ast.literal_eval(node.value)
    return found


def maps() -> Round:
    """The directed pairs of each map."""
    known = constants()
    pairs = dict(zip(known["MODEL_NAMES"], known["MODEL_CMAPS"], strict=True))
    return lambda: pairs, lambda pairs: {"count": len(pairs), "maps": pairs}


def synthesize(map: str, matrices: list[list[int]]) -> Round:
    """The CNOTs of each matrix, one after the other."""
    sys.path.insert(0, str(package()))
    from qiskit_ibm_ai_local_transpiler_rs import LinearFunctionSynthesis

    models, model = LinearFunctionSynthesis(), constants()["MODEL_NAMES"].index(map)
    rows = [[float(entry) for entry in matrix] for matrix in matrices]

    def work() -> list[Any]:
        return [models.run(model, RUNS, row)[::-1] for row in rows]

    return work, lambda gates: {"count": len(gates), "gates": gates}


if __name__ == "__main__":
    serve({"maps": maps, "synthesize": synthesize})
