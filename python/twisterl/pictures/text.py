"""The state of an environment in letters."""

from __future__ import annotations

from typing import Any


def text_of(env: Any) -> str:
    """The state as text, as far as the environment shows itself."""
    text = str(env).rstrip("\n")
    if not text.startswith("<"):
        return text
    try:
        return f"state {' '.join(map(str, env.get_state()))}"
    except (AttributeError, ValueError):
        seen = env.observe()
        parts = seen if isinstance(seen, dict) else {"features": seen}
        return "\n".join(f"{name} {' '.join(map(str, part))}" for name, part in parts.items())
