"""Version and dependencies of the distribution twisterl, for its build by hatchling.

In a checkout it brings the twisterl-core of the same checkout, so that `pip install .` installs
both. A release (TWISTERL_RELEASE=1) names the version that lies in the index.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

RELEASE = "TWISTERL_RELEASE"


class Distribution(MetadataHookInterface):
    """Reads the version, which is that of Cargo.toml, and adds the core to what is listed."""

    def update(self, metadata: dict[str, Any]) -> None:
        root = Path(self.root)
        cargo = (root / "Cargo.toml").read_text(encoding="utf-8")
        version = re.findall(r'^version = "(.*)"$', cargo, re.MULTILINE)[0]
        core = f"twisterl-core=={version}"
        if os.environ.get(RELEASE) != "1":
            core = f"twisterl-core @ {(root / 'python').as_uri()}"
        metadata["version"] = version
        metadata["dependencies"] = [core, *self.config["dependencies"]]
