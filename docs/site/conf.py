"""The documentation site, built by scripts/docs.py: pages are where they are in the repository."""

from pathlib import Path

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


def folder_of_the_repository(app, env, node, content):
    """Of a link to a folder, which is no page, its text; other links that lead nowhere are told."""
    place = Path(env.doc2path(node["refdoc"])).parent / node.get("reftarget", "")
    return content if place.is_dir() else None


def setup(app):
    app.connect("missing-reference", folder_of_the_repository)
