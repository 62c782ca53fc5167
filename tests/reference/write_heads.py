"""Writes specs/golden/heads.json by torch: python tests/reference/write_heads.py [--check].

By torch.distributions in float64, and by other formulas than ours: the entropy of a tanh-normal is
a sum over a fine grid.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import torch
from torch.distributions import Categorical, Independent, Normal, TransformedDistribution
from torch.distributions.transforms import TanhTransform

GOLDEN = Path(__file__).resolve().parents[2] / "specs" / "golden" / "heads.json"
NUM_CASES = 12


def numbers(random: torch.Generator, count: int, scale: float) -> list[float]:
    drawn = torch.randn(count, generator=random) * scale
    return [round(float(number), 4) for number in drawn]


def categorical(outputs: list[float], masks: list[bool]) -> Categorical:
    logits = torch.tensor(outputs, dtype=torch.float64)
    return Categorical(logits=logits.masked_fill(~torch.tensor(masks), -torch.inf))


def entropy(distribution: Categorical) -> float:
    probs = distribution.probs[distribution.probs > 0]
    return -float((probs * probs.log()).sum())


def categorical_case(random: torch.Generator) -> dict[str, Any]:
    outputs = numbers(random, 4, 3.0)
    masks = [True, *(bool(flag) for flag in torch.rand(3, generator=random) < 0.7)]
    action = max(place for place, mask in enumerate(masks) if mask)
    judged = categorical(outputs, masks)
    return {
        "head": {"head": "categorical"},
        "outputs": outputs,
        "masks": masks,
        "action": action,
        "log_prob": float(judged.log_prob(torch.tensor(action))),
        "entropy": entropy(judged),
    }


def product_case(random: torch.Generator) -> dict[str, Any]:
    nvec = [3, 2, 4]
    outputs = numbers(random, sum(nvec), 3.0)
    masks = [True] * sum(nvec)
    masks[int(torch.randint(1, 3, (1,), generator=random))] = False
    log_prob = total = 0.0
    first = 0
    for count in nvec:
        part = slice(first, first + count)
        judged = categorical(outputs[part], masks[part])
        log_prob += float(judged.log_prob(torch.tensor(0)))
        total += entropy(judged)
        first += count
    return {
        "head": {"head": "product", "nvec": nvec},
        "outputs": outputs,
        "masks": masks,
        "action": [0, 0, 0],
        "log_prob": log_prob,
        "entropy": total,
    }


def normal_case(random: torch.Generator, squash: bool) -> dict[str, Any]:
    outputs, log_std = numbers(random, 3, 1.0), numbers(random, 3, 0.7)
    drawn = numbers(random, 3, 1.5)
    mean, std = (torch.tensor(part, dtype=torch.float64) for part in (outputs, log_std))
    u = torch.tensor(drawn, dtype=torch.float64)
    plain = Normal(mean, std.exp())
    judged = Independent(plain, 1)
    value, total = u, float(judged.entropy())
    if squash:
        judged = TransformedDistribution(judged, [TanhTransform(cache_size=1)])
        value = u.tanh()
        z = torch.linspace(-12.0, 12.0, 240_001, dtype=torch.float64)[:, None]
        points = mean + std.exp() * z
        slopes = 2.0 * (math.log(2.0) - points - torch.nn.functional.softplus(-2 * points))
        weights = Normal(0.0, 1.0).log_prob(z).exp() * (z[1] - z[0])
        total += float((slopes * weights).sum())
    return {
        "head": {"head": "normal", "log_std": log_std, "squash": squash},
        "outputs": outputs,
        "masks": [],
        "action": drawn,
        "log_prob": float(judged.log_prob(value)),
        "entropy": total,
    }


def golden() -> str:
    random = torch.Generator().manual_seed(14)
    cases = []
    for _ in range(NUM_CASES):
        cases += [categorical_case(random), product_case(random)]
        cases += [normal_case(random, False), normal_case(random, True)]
    about = "log-probabilities and entropies; written by tests/reference/write_heads.py"
    lines = ",\n".join(f"  {json.dumps(case)}" for case in cases)
    return f'{{"about": "{about}",\n "cases": [\n{lines}\n]}}\n'


def main() -> int:
    text = golden()
    if "--check" not in sys.argv:
        GOLDEN.write_text(text)
        return 0
    known, now = json.loads(GOLDEN.read_text())["cases"], json.loads(text)["cases"]
    same = len(known) == len(now) and all(
        {**old, "log_prob": 0, "entropy": 0} == {**new, "log_prob": 0, "entropy": 0}
        and all(abs(old[key] - new[key]) < 1e-9 for key in ("log_prob", "entropy"))
        for old, new in zip(known, now, strict=True)
    )
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
