"""What stands beside the code: forms, citation, and the versions that texts name."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

import sknn3

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text())
FORMS = ["bug_report.yml", "feature_request.yml"]
TEXTS = ["README.md", "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]


# ------------------------------------------------------------------------ citation


def test_what_is_cited_is_this_version():
    assert CITATION["version"] == sknn3.__version__


def test_the_licence_cited_is_that_of_the_code():
    of_the_code, *_ = PROJECT["license"].split(" AND ")
    assert CITATION["license"] == of_the_code
    assert (ROOT / "LICENSE").read_text().startswith("BSD 3-Clause License")


def test_the_citation_has_what_its_format_asks_for():
    assert CITATION["cff-version"] == "1.2.0"
    assert CITATION["title"].startswith("sknn3")
    assert CITATION["message"]
    names = [author["name"] for author in CITATION["authors"]]
    assert names == [author["name"] for author in PROJECT["authors"]]


# --------------------------------------------------------------------------- forms

# What a form may ask for: the fields of each kind, and those that it must have.
LABELLED = {"label", "description"}
ATTRIBUTES = {
    "markdown": ({"value"}, {"value"}),
    "textarea": (LABELLED | {"placeholder", "value", "render"}, {"label"}),
    "input": (LABELLED | {"placeholder", "value"}, {"label"}),
    "dropdown": (LABELLED | {"multiple", "options", "default"}, {"label", "options"}),
    "checkboxes": (LABELLED | {"options"}, {"label", "options"}),
}


@pytest.fixture(params=FORMS)
def form(request):
    return yaml.safe_load((ROOT / ".github/ISSUE_TEMPLATE" / request.param).read_text())


def test_a_form_has_what_its_format_asks_for(form):
    assert {"name", "description", "body"} <= set(form)
    assert set(form) <= {"name", "description", "body", "labels", "title", "assignees"}
    assert all(isinstance(form[key], str) for key in ("name", "description"))
    for element in form["body"]:
        allowed, needed = ATTRIBUTES[element["type"]]
        assert needed <= set(element["attributes"]) <= allowed
        assert set(element) <= {"type", "id", "attributes", "validations"}
        assert set(element.get("validations", {})) <= {"required"}


def test_a_form_asks_for_something_once(form):
    questions = [e for e in form["body"] if e["type"] != "markdown"]
    for field in ("id", "label"):
        values = [e.get(field, e["attributes"].get(field)) for e in questions]
        assert len(set(values)) == len(values) > 0
    assert all(re.fullmatch(r"[\w-]+", e["id"]) for e in questions)
    assert any(e.get("validations", {}).get("required") for e in questions)


def test_forms_are_all_there_are():
    found = {path.name for path in (ROOT / ".github/ISSUE_TEMPLATE").iterdir()}
    assert found == {*FORMS, "config.yml"}
    config = yaml.safe_load((ROOT / ".github/ISSUE_TEMPLATE/config.yml").read_text())
    assert config == {"blank_issues_enabled": True}


# ------------------------------------------------------------------------ versions


def floors():
    """Oldest versions that pyproject.toml admits, by name."""
    requirements = [*PROJECT["dependencies"], f"python{PROJECT['requires-python']}"]
    for extra in PROJECT["optional-dependencies"].values():
        requirements += extra
    matches = [re.match(r"([\w.-]+)(?:\[.*\])?>=([\d.]+)$", r) for r in requirements]
    return {match[1]: match[2] for match in matches if match}


FLOORS = floors()


def named(text):
    """Oldest versions that a text names: "Python 3.11 or newer", "numpy>=2.0"."""
    found = re.findall(r"([\w-]+) \(?(\d+(?:\.\d+)*) or (?:newer|later)", text)
    found += re.findall(r"([\w-]+)(?:\[[\w,]+\])? ?>= ?(\d+(?:\.\d+)*)", text)
    return [(name.lower(), v) for name, v in found if name.lower() in FLOORS]


def test_oldest_versions_in_texts_are_those_of_the_package():
    found = {
        (str(path), name, version)
        for path in TEXTS
        for name, version in named((ROOT / path).read_text())
    }
    assert ("CONTRIBUTING.md", "python", FLOORS["python"]) in found
    wrong = [mention for mention in found if FLOORS[mention[1]] != mention[2]]
    assert not wrong


def test_the_oldest_python_is_the_first_that_is_tested():
    versions = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert versions[0] == FLOORS["python"]
    assert versions == sorted(versions, key=lambda v: int(v.split(".")[1]))
