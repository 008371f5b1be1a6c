"""README and the other pages at the root: their code runs, and their links exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"]


def test_first_code_of_readme_has_stated_score_and_passes(capsys):
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    code = re.search(r"```python\n(.*?)```", page, re.DOTALL)[1]
    assert len([line for line in code.splitlines() if line]) <= 6
    names = {}
    exec(compile(code, "README.md", "exec"), names)  # noqa: S102 (our own)
    stated = re.search(r"# ([\d.]+), after (\d+) passes", code)
    assert float(capsys.readouterr().out) == pytest.approx(float(stated[1]), abs=0.005)
    assert names["clf"].n_iter_ == pytest.approx(int(stated[2]), abs=10)
    assert names["clf"].stop_reason_ == "converged"


@pytest.mark.parametrize("page", PAGES)
def test_relative_links_exist(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    links = re.findall(r'\]\(([^)#]+)[^)]*\)|src="([^"]+)"', text)
    targets = {a or b for a, b in links if not (a or b).startswith("http")}
    assert targets or page == "CHANGELOG.md"
    assert {target for target in targets if not (ROOT / target).exists()} == set()
