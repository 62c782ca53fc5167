"""The documentation site, built by scripts/docs.py: pages are where they are in the repository."""

from pathlib import Path

from sphinx import addnodes
from sphinx.transforms.post_transforms import SphinxPostTransform

project = "TwisteRL"
author = "The TwisteRL authors"
html_title = "TwisteRL"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "docs/site/index"
include_patterns = [
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "benchmarks/README.md",
    "docs/**",
    "target/site/generated/**",
]
exclude_patterns = [
    ".*",
    "target/[!s]*",
    "target/site/html",
    "target/site/runs",
    "docs/site/conf.py",
]

html_theme = "furo"
html_theme_options = {"navigation_with_keys": True}
templates_path: list[str] = []

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
autodoc_member_order = "bysource"
autodoc_typehints = "description"
# What docstrings have between single backticks.
default_role = "code"


class FolderLinks(SphinxPostTransform):
    """Makes text of links to folders, which are no pages; others that lead nowhere are told."""

    # Before those of myst-parser.
    default_priority = 8

    def run(self, **_):
        for node in list(self.document.findall(addnodes.pending_xref)):
            page = Path(self.env.doc2path(node.get("refdoc", self.env.docname)))
            if node["reftype"] == "myst" and (page.parent / node["reftarget"]).is_dir():
                node.replace_self(node[0].deepcopy())


def setup(app):
    app.add_post_transform(FolderLinks)
