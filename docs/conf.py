"""Sphinx's settings: ``sphinx-build -W docs docs/_build`` builds the documentation.

Neither the build nor the pages use the network.  If ``SKNN3_INTERSPHINX`` is set in the
environment, the build downloads the indices of other projects, and links their names.
"""

import os
import sys
import warnings
from pathlib import Path
from typing import Any

import sknn3

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import module_drawing  # noqa: E402 (it is in this folder)

project = "sknn3"
author = "the sknn3 developers"
project_copyright = f"2026, {author}"
version = release = sknn3.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "sphinx-mathjax-offline",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "generated/modules.md", "releasing.md"]
nitpicky = True
nitpick_ignore_regex = [
    # Names of other projects, which only intersphinx can link.
    ("py:.*", r"(numpy|scipy|sklearn|matplotlib|dask|distributed|skops|np)\..*")
]
default_role = "literal"

# Pages are Markdown, so that GitHub can show them too.
myst_enable_extensions = ["colon_fence", "dollarmath", "deflist"]
myst_heading_anchors = 3

# scikit-learn documents the members that a class inherits from it.
autosummary_generate = True
toc_object_entries_show_parents = "hide"
autodoc_typehints = "none"  # the docstrings have the types
numpydoc_show_class_members = False

html_theme = "pydata_sphinx_theme"
html_title = "sknn3"
html_static_path = ["_static"]
html_css_files = ["sknn3.css"]
html_show_sourcelink = False
html_theme_options = {
    "header_links_before_dropdown": 6,
    "navbar_align": "left",
    "show_prev_next": False,
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_context = {"default_mode": "auto"}  # light or dark, as the reader's system is set
_lone_pages = "index", "start", "mlpclassifier", "coming_from", "design", "changelog"
_lone_pages += "benchmarks", "benchmarks_tables", "practica", "practical"
html_sidebars = {name: [] for name in _lone_pages}

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "examples",
    # Benchmarks take minutes, and pages of the documentation have their figures.
    "ignore_pattern": r"benchmark_\w+\.py",
    "filename_pattern": r"\.py",
    "within_subsection_order": "FileNameSortKey",
    "min_reported_time": 30,
    "remove_config_comments": True,
    "show_signature": False,
    "doc_module": ("sknn3",),
    "backreferences_dir": "api/backreferences",
}

if os.environ.get("SKNN3_INTERSPHINX"):
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "python": ("https://docs.python.org/3/", None),
        "numpy": ("https://numpy.org/doc/stable/", None),
        "scipy": ("https://docs.scipy.org/doc/scipy/", None),
        "sklearn": ("https://scikit-learn.org/stable/", None),
    }

# The gallery saves figures and opens no window, so this warning does not matter.
warnings.filterwarnings("ignore", message="FigureCanvasAgg is non-interactive")


def mark_language(*event: Any) -> None:
    """Mark the text of a page with the language that its front matter states."""
    context = event[3]
    if language := (context.get("meta") or {}).get("language"):
        # Screen readers and hyphenation need it. The menus around the text are English.
        context["body"] = f'<div lang="{language}">{context["body"]}</div>'


def setup(app: Any) -> None:
    """Write the drawing and the table of the modules at each build."""
    app.connect("html-page-context", mark_language)
    generated = HERE / "generated"
    generated.mkdir(exist_ok=True)
    module_drawing.write(generated / "modules.svg")
    (generated / "modules.md").write_text(module_drawing.table(), encoding="utf-8")
