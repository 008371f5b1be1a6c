"""The benchmark on tables runs, and its page shows the figures of its file."""

import importlib.util
import json
import re
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.naive_bayes import GaussianNB
from sklearn.utils import Bunch

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "benchmarks_tables.md"
FIGURES = ROOT / "docs" / "benchmarks_tables.json"

_spec = importlib.util.spec_from_file_location(
    "benchmark_tables", ROOT / "examples" / "benchmark_tables.py"
)
script = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(script)


@pytest.fixture
def tables(tmp_path, rng):
    """Return the path of a file with two tables."""
    path = tmp_path / "tables.npz"
    X, y = rng.standard_normal((2, 40, 3)), np.arange(40) % 2
    np.savez(path, **{"a.X": X[0], "a.y": y, "b.X": X[1], "b.y": y})
    return path


def run(tmp_path, *options):
    """Run the script on little data, and return its report."""
    path = tmp_path / "figures.json"
    script.main(
        ["--json", str(path), "--output", str(tmp_path), *map(str, options)],
    )
    return json.loads(path.read_text(encoding="utf-8"))


def rows_of(table, **figures):
    """Return rows of a table from the accuracy, log loss and seconds of models."""
    shape = {"group": "own", "table": table, "samples": 9, "features": 2, "classes": 3}
    keys = "accuracy", "log loss", "seconds", "warned"
    return [
        shape | {"model": model} | dict(zip(keys, values, strict=True))
        for model, values in figures.items()
    ]


def report_of_all_models():
    """Return a report in which the net is the last of the models on two tables."""
    rows = []
    for table in ("a", "b"):
        figures = dict.fromkeys(script.MODELS, (0.9, 0.3, 2.0, 0.0))
        rows += rows_of(table, **(figures | {"net": (0.8, 0.45, 0.5, 1.0)}))
    facts = dict.fromkeys(script.about(), "1.0")
    return {"about": facts, "rows": rows, "summary": script.summarise(rows)}


# --------------------------------------------------------------------- the script


def test_models_run_on_tables_of_file(tmp_path, tables):
    options = "--groups", "tables", "--models", "net", "logistic"
    report = run(tmp_path, "--tables", tables, *options)
    found = [(row["table"], row["model"]) for row in report["rows"]]
    assert found == [("a", "net"), ("a", "logistic"), ("b", "net"), ("b", "logistic")]
    for row in report["rows"]:
        assert (row["samples"], row["features"], row["classes"]) == (40, 3, 2)
        assert 0 <= row["accuracy"] <= 1
        assert 0 < row["log loss"] < 5
        assert row["seconds"] > 0
        assert 0 <= row["warned"] <= 1
    assert [row["tables"] for row in report["summary"]] == [2, 2]
    assert {"sknn3", "scikit-learn", "python", "machine"} <= set(report["about"])


@pytest.mark.slow
def test_quick_run_draws_picture_of_all_ranked_models(tmp_path):
    options = "--quick", "--only", "iris", "--models", *script.RANKED
    report = run(tmp_path, *options)
    assert {row["model"] for row in report["rows"]} == set(script.RANKED)
    for picture in ("benchmark_tables.png", "benchmark_times.png"):
        assert (tmp_path / picture).stat().st_size > 10_000


def test_same_model_has_equal_scores_in_each_run(tmp_path, tables):
    options = "--tables", tables, "--only", "a", "--models", "net", "MLP"
    first, second = (
        [(row["accuracy"], row["log loss"]) for row in run(tmp_path, *options)["rows"]]
        for _ in range(2)
    )
    assert first == second


def test_unconverged_fits_are_counted(tmp_path, tables, monkeypatch):
    model = clone(script.MODELS["MLP"]).set_params(max_iter=2)
    monkeypatch.setitem(script.MODELS, "MLP", model)
    report = run(tmp_path, "--tables", tables, "--only", "a", "--models", "MLP", "SVC")
    assert [row["warned"] for row in report["rows"]] == [1, 0]


def test_option_only_selects_tables(tmp_path, tables):
    report = run(
        tmp_path, "--tables", tables, "--only", "b", "xor", "--models", "logistic"
    )
    found = [(row["group"], row["table"]) for row in report["rows"]]
    assert found == [("tables", "b"), ("own", "xor")]


def test_generated_tables_are_reproducible_and_have_several_classes():
    first, second = script.own_tables(), script.own_tables()
    for name, (X, y) in first.items():
        np.testing.assert_array_equal(X, second[name][0])
        np.testing.assert_array_equal(y, second[name][1])
        assert np.isfinite(X).all()
        assert np.bincount(y).min() >= 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tables", "missing.npz"], "no file missing.npz"),
        (["--page", "missing.md"], "no file missing.md"),
        (["--page", __file__, "--models", "net"], "--page needs all models"),
        (["--only", "nothing"], "no table .'nothing'.*There are: .*iris"),
    ],
)
def test_wrong_options_end_with_message(tmp_path, capsys, options, message):
    with pytest.raises(SystemExit) as error:
        run(tmp_path, *options)
    assert re.search(message, f"{error.value} {capsys.readouterr().err}")


def test_file_without_tables_ends_with_message(tmp_path):
    np.savez(tmp_path / "other.npz", X=np.zeros(3))
    with pytest.raises(SystemExit, match=r"no array whose name ends in \.X"):
        run(tmp_path, "--tables", tmp_path / "other.npz")


def test_openml_tables_get_columns_of_0_and_1_and_no_rare_classes(monkeypatch):
    color = pd.Categorical([*["red", "blue", None] * 6, "red"])
    frame = pd.DataFrame({"size": [np.nan, *range(18)], "color": color})
    target = pd.Series([*["yes", "no"] * 9, "perhaps"])
    found = Bunch(data=frame, target=target)
    monkeypatch.setattr(script, "fetch_openml", lambda **_: found)
    X, y = script.download(1)
    assert X.shape == (18, 4)  # the colours, none given, and the size
    assert sorted(map(tuple, np.unique(X[:, :3], axis=0))) == [
        (0, 0, 1), (0, 1, 0), (1, 0, 0)
    ]  # fmt: skip
    assert X[0, 3] == pytest.approx(8.5)
    assert set(y) == {"yes", "no"}


def test_openml_out_of_reach_ends_with_message(tmp_path, monkeypatch):
    def out_of_reach(**_):
        raise URLError("no network")

    monkeypatch.setattr(script, "fetch_openml", out_of_reach)
    with pytest.raises(SystemExit, match=r"OpenML cannot be reached .*no network"):
        run(tmp_path, "--openml", "--groups", "openml")


# ------------------------------------------------------------------- the summary


def test_ranks_of_a_table_are_averaged_over_tables():
    rows = rows_of(
        "a", net=(0.9, 0.3, 1, 0), MLP=(0.8, 0.2, 3, 1), SVC=(0.8, 0.4, 5, 0)
    )
    rows += rows_of(
        "b", net=(0.7, 0.1, 2, 1), MLP=(0.6, 0.5, 4, 1), SVC=(0.5, 0.6, 6, 0)
    )
    net, mlp, svc = script.summarise(rows)
    assert (net["rank in accuracy"], net["rank in log loss"]) == (1, 1.5)
    assert (mlp["rank in accuracy"], mlp["rank in log loss"]) == (2.25, 1.5)  # a tie
    assert (svc["rank in accuracy"], svc["rank in log loss"]) == (2.75, 3)
    assert net["accuracy"] == pytest.approx(0.8)
    assert net["log loss"] == pytest.approx(0.2)
    assert (net["seconds"], net["median seconds"], net["warned"]) == (3, 1.5, 0.5)


def test_models_outside_the_ranking_do_not_change_ranks():
    models = {"net": (0.9, 0.3, 1, 0), "search by accuracy": (1, 0.1, 1, 0)}
    net, other = script.summarise(rows_of("a", **models))
    assert net["rank in accuracy"] == net["rank in log loss"] == 1
    assert "rank in accuracy" not in other


# ---------------------------------------------------------------------- the page


def test_page_gets_figures_between_its_lines(tmp_path):
    page, report = tmp_path / "page.md", report_of_all_models()
    groups = "machine", "own"
    empty = "\n".join(f"{script.BEGIN.format(g)}\nold\n{script.END}" for g in groups)
    page.write_text(f"before\n{empty}\nafter\n", encoding="utf-8")
    for _ in range(2):
        script.fill_page(page, report)
        text = page.read_text(encoding="utf-8")
        assert text.startswith("before\n")
        assert text.endswith("\nafter\n")
        assert "old" not in text
        for figures in script.page_figures(report).values():
            assert text.count(figures) == 1


def test_page_shows_tables_where_sknn3_loses():
    figures = script.page_figures(report_of_all_models())["own"]
    assert "| net | a | search | 0.450 | 0.300 | 0.150 |" in figures
    assert "| net | lower log loss |  | 0 | 0 | 0 | 0 | 0 | 0 | 0 |" in figures
    assert "| search | higher accuracy | 2 |  | 0 | 0 | 0 | 0 | 0 | 0 |" in figures
    # A quarter of the time of MLPClassifier, and each fit warns.
    means = "0.450 | 8.00 | 0.8000 | 8.00 | 0.500 | 0.25 | 100%"
    assert f"| {script.LABELS['net']} | {means} |" in figures


def test_page_without_lines_for_a_group_is_an_error(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("no figures", encoding="utf-8")
    with pytest.raises(SystemExit, match="has no line <!-- figures: machine -->"):
        script.fill_page(page, report_of_all_models())


def test_complete_run_fills_page_of_documentation(tmp_path, tables, monkeypatch):
    monkeypatch.setattr(script, "MODELS", dict.fromkeys(script.RANKED, GaussianNB()))
    monkeypatch.setattr(
        script, "own_tables", lambda: {"iris": load_iris(return_X_y=True)}
    )
    page = tmp_path / "page.md"
    page.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    report = run(tmp_path, "--tables", tables, "--page", page)
    for figures in script.page_figures(report).values():
        assert figures in page.read_text(encoding="utf-8")
    assert (tmp_path / "benchmark_tables.png").is_file()
    assert (tmp_path / "benchmark_times.png").is_file()


def test_page_of_documentation_has_figures_of_its_file():
    report, text = (
        json.loads(FIGURES.read_text(encoding="utf-8")),
        PAGE.read_text(encoding="utf-8"),
    )
    assert not report["quick"]
    assert report["summary"] == script.summarise(report["rows"])
    for figures in script.page_figures(report).values():
        assert figures in text
