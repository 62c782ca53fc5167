"""Plug-ins of qiskit's high-level synthesis, `HLSConfig(clifford=[("twisterl", {})])`.

Options are the fields of [Budget][twisterl.quantum.Budget].
"""

from __future__ import annotations

import warnings
from dataclasses import fields
from typing import Any

from qiskit import QuantumCircuit
from qiskit.transpiler.passes.synthesis.plugin import HighLevelSynthesisPlugin

from twisterl.faults import InputError, nearest
from twisterl.quantum.models import Budget
from twisterl.quantum.synthesis import Fallback, synthesize
from twisterl.quantum.targets import Target

_FIELDS = [field.name for field in fields(Budget)]


def _budget(options: dict[str, Any]) -> Budget:
    """Of the options that are ours; qiskit adds its own. `InputError` for a slip of the pen."""
    for name in options:
        match = nearest(name, _FIELDS, 0.8)
        if name not in _FIELDS and match is not None:
            raise InputError(f"{name}: unknown option; did you mean {match}?")
    return Budget(**{name: options[name] for name in _FIELDS if name in options})


class _Plugin(HighLevelSynthesisPlugin):
    kind: str

    def run(
        self,
        high_level_object: Any,
        coupling_map: Any = None,
        target: Any = None,
        qubits: Any = None,
        **options: Any,
    ) -> QuantumCircuit | None:
        """The circuit, or None, with a warning, for what is left to qiskit's next method.

        Without `qubits`, before a layout, all of them are coupled.
        """
        budget = _budget(options)
        reduced = None
        if coupling_map is not None and qubits is not None:
            reduced = coupling_map.reduce(qubits, check_if_connected=False)
        problem = None
        try:
            wanted = Target.of(high_level_object)
        except (InputError, TypeError) as error:
            problem = str(error)
        if reduced is not None and not reduced.is_connected():
            problem = f"its qubits {list(qubits)} are not connected"
        if problem is not None:
            warnings.warn(f"{self.kind} by qiskit: {problem}", Fallback, stacklevel=2)
            return None
        return synthesize(wanted, reduced, budget=budget)


class CliffordPlugin(_Plugin):
    """`clifford.twisterl`"""

    kind = "clifford"


class LinearFunctionPlugin(_Plugin):
    """`linear_function.twisterl`"""

    kind = "linear_function"


class PermutationPlugin(_Plugin):
    """`permutation.twisterl`"""

    kind = "permutation"


class PauliEvolutionPlugin(_Plugin):
    """`PauliEvolution.twisterl`, of product formulas"""

    kind = "PauliEvolution"
