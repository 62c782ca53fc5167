"""The documentation site, built by scripts/docs.py: pages are where they are in the repository."""

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
# Links to sources and data lead out of the site; a test follows them in the repository.
# What the compiled module says of itself has no types to link.
suppress_warnings = [
    "myst.xref_missing",
    "myst.header",
    "autodoc",
    "docutils",
    "ref",
    "misc.highlighting_failure",
]
