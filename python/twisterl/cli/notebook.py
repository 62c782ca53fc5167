"""How a training gets on, in a notebook: one panel that is drawn anew in its place."""

from __future__ import annotations

import base64
import html
import sys
import time
from pathlib import Path
from typing import Any

from twisterl.pictures.chart import image
from twisterl.pictures.run_page import figures_of
from twisterl.runs.curves import panels_of
from twisterl.runs.history import History
from twisterl.runs.progress import Progress

# Between two drawings; the last one is always made.
_INTERVAL_S = 0.5


def is_notebook() -> bool:
    """Whether a kernel of Jupyter runs this, which can show more than text."""
    shell = sys.modules.get("IPython")
    found = shell.get_ipython() if shell is not None else None
    return found is not None and hasattr(found, "kernel")


class NotebookDisplay:
    """Shows the `Progress` of every iteration; `env` is the name of the environment's class."""

    def __init__(self, title: str, env: str) -> None:
        self._run = History(Path(title), config={"env_cls": env})
        self._title = title
        self._handle: Any = None
        self._drawn_s = float("-inf")

    def __enter__(self) -> NotebookDisplay:
        return self

    def __exit__(self, *_: object) -> None:
        if self._run.rows:
            self._draw()

    def __call__(self, progress: Progress) -> None:
        self._run.rows.append(progress.as_dict())
        self._run.planned = progress.total_iterations
        if time.monotonic() - self._drawn_s >= _INTERVAL_S:
            self._draw()

    def _draw(self) -> None:
        from IPython.display import HTML, display

        panel = HTML(self.panel())
        if self._handle is None:
            self._handle = display(panel, display_id=True)
        else:
            self._handle.update(panel)
        self._drawn_s = time.monotonic()

    def panel(self) -> str:
        """The panel as HTML, in the colours of the notebook."""
        run = self._run
        figures = " · ".join(
            f"{html.escape(name)} <b>{html.escape(figure)}</b> {html.escape(beside)}"
            for name, figure, beside in figures_of(run)
        )
        images = "".join(
            f'<figure style="margin:0"><figcaption><b>{html.escape(panel.name)}</b> '
            f"{html.escape(panel.unit)}</figcaption>"
            f'<img alt="{html.escape(panel.name)}" style="width:100%" '
            f'src="data:image/svg+xml;base64,{base64.b64encode(image(panel).encode()).decode()}">'
            "</figure>"
            for panel in panels_of(run)
        )
        return (
            f'<div style="max-width:1000px"><b>{html.escape(self._title)}</b> '
            f'<progress value="{run.iterations}" max="{run.planned or 1}" style="width:240px">'
            f"</progress><div>{figures}</div>"
            '<div style="display:grid;gap:10px;grid-template-columns:'
            f'repeat(auto-fit,minmax(260px,1fr))">{images}</div></div>'
        )
