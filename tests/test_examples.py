"""The source of the examples has the form that the gallery needs to run them."""

import ast
import re
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
# Benchmarks take minutes and are not part of the gallery.
PAGES = [p for p in sorted(EXAMPLES.rglob("*.py")) if "benchmark_" not in p.name]
FOLDERS = sorted({page.parent for page in PAGES})


def name(path):
    return path.relative_to(EXAMPLES).as_posix()


@pytest.fixture(params=PAGES, ids=name)
def source(request):
    return request.param.read_text(encoding="utf-8")


def test_examples_are_found():
    assert EXAMPLES / "train_digits.py" in PAGES


def test_example_docstring_has_title_and_text(source):
    docstring = ast.get_docstring(ast.parse(source))
    title, line, empty, *text = docstring.splitlines()
    assert title
    assert line == "=" * len(title)
    assert empty == ""
    assert any(text)


def test_example_titles_are_unique():
    titles = [
        ast.get_docstring(ast.parse(page.read_text(encoding="utf-8"))).splitlines()[0]
        for page in PAGES
    ]
    assert len(set(titles)) == len(titles)


def test_heading_and_underline_are_on_separate_lines(source):
    lines = [line for line in source.splitlines() if line.startswith("# ")]
    assert [line for line in lines if re.search(r"\w -{3,}", line)] == []


def test_example_shows_a_plot_for_its_thumbnail(source):
    assert "plt.show()" in source


def test_example_does_not_use_its_docstring(source):
    # The gallery removes the docstring before it runs the code.
    names = {n.id for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Name)}
    assert "__doc__" not in names


def test_example_has_no_absolute_path(source):
    strings = [
        node.value
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    absolute = [s for s in strings if re.match(r"(/|~/|[A-Z]:\\)", s)]
    assert [s for s in absolute if not s.startswith("/proc/self/")] == []


@pytest.mark.parametrize("folder", FOLDERS, ids=name)
def test_folder_has_gallery_header(folder):
    header = (folder / "GALLERY_HEADER.rst").read_text(encoding="utf-8")
    title, line, *_ = header.splitlines()
    assert len(line) == len(title)
    assert set(line) == {"=" if folder == EXAMPLES else "-"}


def test_links_to_other_examples_exist(source):
    for place in re.findall(r"sphx_glr_examples_(\w+\.py)", source):
        assert any(name(p).replace("/", "_") == place for p in PAGES), place
