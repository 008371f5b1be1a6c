"""Files besides the code: issue forms, citation, and versions in the documentation."""

import ast
import re
import shutil
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest
import yaml
from hatchling.builders.wheel import WheelBuilder

import sknn3

ROOT = Path(__file__).parents[1]
SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT = SETTINGS["project"]
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
FORMS = ["bug_report.yml", "feature_request.yml"]
TEXTS = ["README.md", "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]


# ------------------------------------------------------------------------ citation


def test_citation_version_equals_package_version():
    assert CITATION["version"] == sknn3.__version__


def test_citation_licence_equals_licence_of_code():
    of_the_code, *_ = PROJECT["license"].split(" AND ")
    assert CITATION["license"] == of_the_code
    assert (
        (ROOT / "LICENSE")
        .read_text(encoding="utf-8")
        .startswith("BSD 3-Clause License")
    )


def test_citation_has_required_fields():
    assert CITATION["cff-version"] == "1.2.0"
    assert CITATION["title"].startswith("sknn3")
    assert CITATION["message"]
    names = [author["name"] for author in CITATION["authors"]]
    assert names == [author["name"] for author in PROJECT["authors"]]


# --------------------------------------------------------------------------- forms

# The allowed and the required attributes of each type of element in a form.
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
    return yaml.safe_load(
        (ROOT / ".github/ISSUE_TEMPLATE" / request.param).read_text(encoding="utf-8")
    )


def test_issue_form_has_required_and_allowed_fields(form):
    assert {"name", "description", "body"} <= set(form)
    assert set(form) <= {"name", "description", "body", "labels", "title", "assignees"}
    assert all(isinstance(form[key], str) for key in ("name", "description"))
    for element in form["body"]:
        allowed, needed = ATTRIBUTES[element["type"]]
        assert needed <= set(element["attributes"]) <= allowed
        assert set(element) <= {"type", "id", "attributes", "validations"}
        assert set(element.get("validations", {})) <= {"required"}


def test_issue_form_questions_are_unique_and_one_is_required(form):
    questions = [e for e in form["body"] if e["type"] != "markdown"]
    for field in ("id", "label"):
        values = [e.get(field, e["attributes"].get(field)) for e in questions]
        assert len(set(values)) == len(values) > 0
    assert all(re.fullmatch(r"[\w-]+", e["id"]) for e in questions)
    assert any(e.get("validations", {}).get("required") for e in questions)


def test_issue_templates_have_no_other_files():
    found = {path.name for path in (ROOT / ".github/ISSUE_TEMPLATE").iterdir()}
    assert found == {*FORMS, "config.yml"}
    config = yaml.safe_load(
        (ROOT / ".github/ISSUE_TEMPLATE/config.yml").read_text(encoding="utf-8")
    )
    assert config == {"blank_issues_enabled": True}


# ------------------------------------------------------------------------ versions


def floors():
    """Return the oldest versions that pyproject.toml allows, by name."""
    requirements = [*PROJECT["dependencies"], f"python{PROJECT['requires-python']}"]
    for extra in PROJECT["optional-dependencies"].values():
        requirements += extra
    matches = [re.match(r"([\w.-]+)(?:\[.*\])?>=([\d.]+)$", r) for r in requirements]
    return {match[1]: match[2] for match in matches if match}


FLOORS = floors()


def named(text):
    """Return the oldest versions in a text: "Python 3.11 or newer", "numpy>=2.0"."""
    found = re.findall(r"([\w-]+) \(?(\d+(?:\.\d+)*) or (?:newer|later)", text)
    found += re.findall(r"([\w-]+)(?:\[[\w,]+\])? ?>= ?(\d+(?:\.\d+)*)", text)
    return [(name.lower(), v) for name, v in found if name.lower() in FLOORS]


def test_oldest_versions_in_texts_equal_pyproject():
    found = {
        (str(path), name, version)
        for path in TEXTS
        for name, version in named((ROOT / path).read_text(encoding="utf-8"))
    }
    assert ("CONTRIBUTING.md", "python", FLOORS["python"]) in found
    wrong = [mention for mention in found if FLOORS[mention[1]] != mention[2]]
    assert not wrong


def test_python_classifiers_begin_with_oldest_version():
    versions = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    assert versions[0] == FLOORS["python"]
    assert versions == sorted(versions, key=lambda v: int(v.split(".")[1]))


def test_conda_recipe_equals_pyproject():
    recipe = yaml.safe_load((ROOT / "docs/recipe.yaml").read_text(encoding="utf-8"))
    assert recipe["context"]["version"] == sknn3.__version__
    assert recipe["context"]["python_min"] == FLOORS["python"]
    build, run = recipe["requirements"]["host"], recipe["requirements"]["run"]
    assert build[0] == "python ${{ python_min }}.*"
    assert run[0] == "python >=${{ python_min }}"
    assert [r.replace(" ", "") for r in build[2:]] == SETTINGS["build-system"][
        "requires"
    ]
    assert [r.replace(" ", "") for r in run[1:]] == PROJECT["dependencies"]
    assert recipe["about"]["license"] == PROJECT["license"]
    assert recipe["about"]["license_file"] == PROJECT["license-files"]


# ----------------------------------------------------------------------- workflows


def workflow(name):
    path = ROOT / ".github/workflows" / f"{name}.yml"
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_workflow_tries_every_python_of_classifiers():
    classifiers = re.findall(r"Python :: (3\.\d+)", "\n".join(PROJECT["classifiers"]))
    jobs = workflow("tests")["jobs"]
    matrix = jobs["tests"]["strategy"]["matrix"]
    assert set(classifiers) <= set(matrix["python"])
    oldest = [
        entry["python"] for entry in matrix["include"] if "oldest" in entry.values()
    ]
    assert oldest == [FLOORS["python"]]
    # .ci/run leaves out a Python that it does not find.
    setup = jobs["everything"]["steps"][1]["with"]
    assert setup["python-version"].split() == classifiers


def test_workflow_builds_documentation_by_the_command_of_contributing():
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    steps = workflow("docs")["jobs"]["build"]["steps"]
    commands = [step["run"] for step in steps if "run" in step]
    assert " && ".join(commands) in page


# ------------------------------------------------------------------------- address

EXAMPLE = """[project.urls]
Source = "https://code.invalid/sknn3"
Documentation = "https://docs.invalid/sknn3"
"""


@pytest.fixture
def metadata_of_wheel(tmp_path):
    """Return a function that builds a wheel with other addresses in pyproject.toml."""

    def build(addresses):
        for name in ("LICENSE", "README.md", "pyproject.toml"):
            shutil.copy(ROOT / name, tmp_path)
        for name in (".ci", "data", "sknn3"):
            shutil.copytree(ROOT / name, tmp_path / name)
        project = tmp_path / "pyproject.toml"
        text = re.sub(
            r"^\[project\.urls\]\n([A-Z].*\n)*",
            addresses,
            project.read_text(encoding="utf-8"),
            flags=re.MULTILINE,
        )
        project.write_text(text, encoding="utf-8")
        (wheel,) = WheelBuilder(str(tmp_path)).build(directory=str(tmp_path))
        with zipfile.ZipFile(wheel) as files:
            name = f"sknn3-{sknn3.__version__}.dist-info/METADATA"
            return message_from_bytes(files.read(name))

    return build


def test_wheel_without_address_has_readme_as_it_is(metadata_of_wheel):
    metadata = metadata_of_wheel("")
    assert metadata.get_all("Project-URL") is None
    text = metadata.get_payload(decode=True).decode()
    assert text == (ROOT / "README.md").read_text(encoding="utf-8")


def test_wheel_with_address_has_absolute_links_and_pictures(metadata_of_wheel):
    metadata = metadata_of_wheel(EXAMPLE)
    assert metadata.get_all("Project-URL") == [
        "Source, https://code.invalid/sknn3",
        "Documentation, https://docs.invalid/sknn3",
    ]
    text = metadata.get_payload(decode=True).decode()
    links, pictures = (
        re.findall(r"\]\(([^)]+)", text),
        re.findall(r'src="([^"]+)', text),
    )
    assert links
    assert pictures
    assert all(link.startswith("https://") for link in links + pictures)
    assert "![" not in text  # its address would show a page, not the picture
    version = f"v{sknn3.__version__}"
    design = f"https://code.invalid/sknn3/blob/{version}/docs/design.md"
    assert design in links
    folder = f"https://code.invalid/sknn3/raw/{version}/docs/images/"
    assert all(picture.startswith(folder) for picture in pictures)


def test_citation_has_address_of_source():
    assert CITATION.get("repository-code") == PROJECT["urls"].get("Source")


# ----------------------------------------------------------------------- encodings


def opens_text_without_encoding(call):
    """Return whether a call may use the encoding of the system, which varies."""
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    given = {keyword.arg for keyword in call.keywords}
    binary = any(isinstance(a, ast.Constant) and "b" in str(a.value) for a in call.args)
    opens = name in ("read_text", "write_text") or (name == "open" and not binary)
    return (opens or "text" in given) and "encoding" not in given


def test_text_files_are_opened_with_an_encoding():
    folders = (".ci", "docs", "examples", "sknn3", "tests")
    places = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and opens_text_without_encoding(node)
    ]
    assert places == []
