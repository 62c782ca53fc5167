"""Twists as a policy is given them, checked."""

from __future__ import annotations

from collections.abc import Sequence

Perms = list[list[int]]


def checked_twists(
    obs_perms: Sequence[Sequence[int]],
    act_perms: Sequence[Sequence[int]] | None,
    obs_size: int,
    num_actions: int,
) -> tuple[Perms, Perms]:
    """The permutations of observations and of actions, as many of each.

    Raises:
        ValueError: counts or lengths do not fit, an entry is out of range, or an observation
            permutation is not one.
    """
    obs_lists = [[int(k) for k in perm] for perm in obs_perms]
    act_lists = [[int(a) for a in perm] for perm in (() if act_perms is None else act_perms)]
    if obs_lists and not act_lists:
        act_lists = [list(range(num_actions)) for _ in obs_lists]
    if len(obs_lists) != len(act_lists):
        raise ValueError(
            f"act_perms: expected {len(obs_lists)} entries, one for each of obs_perms, "
            f"got {len(act_lists)}"
        )
    features, actions = list(range(obs_size)), range(num_actions)
    for twist, (obs_perm, act_perm) in enumerate(zip(obs_lists, act_lists, strict=True)):
        if sorted(obs_perm) != features:
            raise ValueError(f"obs_perms[{twist}]: expected a permutation of 0..{obs_size}")
        if len(act_perm) != num_actions or any(a not in actions for a in act_perm):
            raise ValueError(
                f"act_perms[{twist}]: expected {num_actions} actions in "
                f"0..{num_actions}, got {act_perm}"
            )
    return obs_lists, act_lists
