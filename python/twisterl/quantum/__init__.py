"""Circuit synthesis for qiskit: few two-qubit gates, on any coupling map, verified.

See `synthesize` and docs/synthesis.md. The plug-ins named "twisterl" do the same in `transpile`.
"""

from twisterl.on_demand import optional

optional("qiskit", "circuit synthesis")

from twisterl.quantum.models import Budget  # noqa: E402
from twisterl.quantum.synthesis import Fallback, synthesize  # noqa: E402

__all__ = ["Budget", "Fallback", "synthesize"]
