"""The steps of a solution as one page, without scripts and without a network."""

from __future__ import annotations

import html
from collections.abc import Sequence

_STYLE = """
:root { --ground: #f6f5f1; --text: #1d1d22; --faint: #5f5f6b; --line: #dcd9cf; --card: #ffffff;
  color-scheme: light dark; }
@media (prefers-color-scheme: dark) {
  :root { --ground: #131318; --text: #ececf1; --faint: #a3a3b3; --line: #33333f; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1100px; padding: 28px clamp(14px, 3vw, 32px);
  background: var(--ground);
  color: var(--text);
  font: 16px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
h1 { margin: 0; font-size: clamp(1.5rem, 4vw, 2rem); letter-spacing: -0.02em; }
.facts { margin: 4px 0 22px; color: var(--faint); }
.film { display: flex; justify-content: center; }
.film img, .steps svg { max-width: 100%; height: auto; border-radius: 14px;
  box-shadow: 0 0 0 1px var(--line), 0 8px 24px rgb(0 0 0 / 8%); }
h2 { margin: 30px 0 12px; font-size: 1.05rem; }
.steps { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(150px, 100%), 1fr));
  gap: 20px;
  margin: 0; padding: 0; list-style: none; }
.steps svg { display: block; width: 100%; }
figure { margin: 0; }
figcaption { margin-top: 8px; font-size: 0.9rem; display: flex; gap: 8px;
  justify-content: space-between; }
figcaption span { color: var(--faint); font-variant-numeric: tabular-nums; }
"""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def page(heading: str, facts: Sequence[str], film: str, steps: Sequence[tuple[str, str]]) -> str:
    """The page as text.

    Args:
        heading: its title.
        facts: what is said below it.
        film: the solution as one image, an HTML element.
        steps: the name and the SVG image of each board.
    """
    title = html.escape(heading)
    said = " · ".join(map(html.escape, facts))
    figures = "\n".join(
        f"<li><figure>{image}<figcaption><b>{html.escape(name)}</b><span>{number}</span>"
        "</figcaption></figure></li>"
        for number, (name, image) in enumerate(steps)
    )
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{title}</title>
<style>{_STYLE}</style>
<h1>{title}</h1>
<p class="facts">{said}</p>
<div class="film">{film}</div>
<h2>Step by step</h2>
<ol class="steps">
{figures}
</ol>
</html>
"""
