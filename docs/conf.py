"""How Sphinx builds the guide: `make docs`."""

import re

from sphinx.application import Sphinx

from sensorium_ray.version import package_version

project = "sensorium-ray"
author = "The sensorium-ray developers"
release = version = package_version()

extensions = ["myst_nb"]
exclude_patterns = ["_build"]
highlight_language = "none"  # of indented blocks, which are commands; fenced ones name theirs
myst_enable_extensions = ["amsmath", "dollarmath"]
myst_heading_anchors = 3

# Tutorials are scripts with cells (examples/tutorials): run when the guide is built, unless nothing changed.
nb_custom_formats = {".py": ["jupytext.reads", {"fmt": "py:percent"}]}
nb_execution_mode = "cache"
nb_execution_timeout = 900
nb_execution_raise_on_error = True
nb_execution_in_temp = True
nb_output_stderr = "remove"
nb_merge_streams = True
exclude_patterns += ["*.py"]

html_theme = "sphinx_book_theme"
html_title = f"{project} {release}"
html_show_sourcelink = False
html_show_copyright = False
html_theme_options = {"navbar_persistent": [], "navigation_with_keys": False, "use_download_button": False}
html_static_path = ["_static"]
html_css_files = ["guide.css"]

FOLDER = re.compile(r"\[[^\]]+\]\(\.\./([\w/-]+/)\)")
"""A link to a folder outside docs/, which the repository shows and the built guide cannot."""
PAGES = {"../benchmarks/README.md": "benchmarks.md", "../CHANGELOG.md": "changelog.md"}
"""Files outside docs/ that a page here includes."""


def setup(app: Sphinx) -> None:
    """Let links that are right in the repository be right in the built guide too."""
    app.connect("source-read", _mend_links)


def _mend_links(app: Sphinx, name: str, source: list[str]) -> None:
    source[0] = FOLDER.sub(r"`\1`", source[0])
    for outside, page in PAGES.items():
        source[0] = source[0].replace(f"]({outside}", f"]({page}")
