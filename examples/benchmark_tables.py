"""Compare sknn3 with scikit-learn's classifiers on small tables, all at their defaults.

Each model is fitted to the training rows of 5 stratified folds of each table, on
standardised features, and judged on the other rows: accuracy, log loss, seconds of a
fit, and whether it ends in a ConvergenceWarning.  The script prints these and the mean
ranks, draws a picture, and writes all figures, the machine and the versions to a file::

    python examples/benchmark_tables.py --quick
    python examples/benchmark_tables.py --tables tables.npz --json figures.json

The file of tables has the arrays `NAME.X` and `NAME.y` for each table, without missing
values.  scikit-learn's own data and generated data come in addition, and with
`--openml` tables that the script downloads.  `--page` puts the figures between the
markers of a Markdown page.  `--quick` takes half a minute, all data half an hour.
"""

import argparse
import json
import os
import platform
import warnings
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import rankdata
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.datasets import (
    fetch_openml,
    load_breast_cancer,
    load_digits,
    load_iris,
    load_wine,
    make_circles,
    make_classification,
    make_moons,
)
from sklearn.ensemble import (
    BaggingClassifier,
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, StratifiedKFold
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import SVC
from threadpoolctl import threadpool_info

import sknn3
from sknn3 import ThreeLayerNNClassifier, ThreeLayerNNClassifierCV

Row = dict[str, Any]
Table = tuple[np.ndarray, np.ndarray]

FOREST = {"n_estimators": 300, "min_samples_leaf": 2, "random_state": 0}
MODELS = {
    "net": ThreeLayerNNClassifier(random_state=0),
    "search": ThreeLayerNNClassifierCV(random_state=0),
    "search by accuracy": ThreeLayerNNClassifierCV(scoring="accuracy", random_state=0),
    "average": BaggingClassifier(
        ThreeLayerNNClassifier(), n_estimators=5, bootstrap=False, random_state=0
    ),
    "MLP": MLPClassifier(random_state=0),
    # From the default of MLPClassifier, 1e-4, to the largest alpha of our search.  Both
    # penalties are relative to the number of samples.
    "MLP search": GridSearchCV(
        MLPClassifier(random_state=0),
        {"alpha": [1e-4, 1e-2, 1, 10]},
        scoring="neg_log_loss",
    ),
    "logistic": LogisticRegression(),
    "forest": RandomForestClassifier(**FOREST),
    "extra trees": ExtraTreesClassifier(**FOREST),
    "boosting": HistGradientBoostingClassifier(random_state=0),
    "SVC": CalibratedClassifierCV(SVC(random_state=0), ensemble=False),
}
OURS = ("net", "search")
RANKED = (*OURS, "MLP", "logistic", "forest", "extra trees", "boosting", "SVC")
SLOW = ("MLP search",)
# What the picture of times calls the models, and the alignment of the names.
NAMES = {
    "net": ("ThreeLayerNNClassifier", "right"),
    "search": ("ThreeLayerNNClassifierCV", "right"),
    "MLP": ("MLPClassifier", "left"),
    "logistic": ("LogisticRegression", "left"),
    "forest": ("random forest", "left"),
    "extra trees": ("extra trees", "left"),
    "boosting": ("HistGradientBoosting", "left"),
    "SVC": ("SVC, calibrated", "left"),
}
GROUPS = {
    "tables": "Tables of the file",
    "own": "Data of scikit-learn and generated data",
    "openml": "Tables of OpenML",
}
OPENML = {
    "banknote": 1462,
    "blood transfusion": 1464,
    "breast-w": 15,
    "credit-g": 31,
    "eucalyptus": 188,
    "ilpd": 1480,
    "kc2": 1063,
    "qsar-biodeg": 1494,
    "steel plates": 40982,
    "tic-tac-toe": 50,
}
# A page has the figures of a group of tables between these two lines.
BEGIN, END = "<!-- figures: {} -->", "<!-- end of figures -->"


def main(argv: list[str] | None = None) -> None:
    """Measure the chosen models on the chosen tables."""
    arguments = parse(argv)
    chosen = arguments.models or [m for m in MODELS if m not in SLOW or arguments.slow]
    models = {name: clone(MODELS[name]) for name in chosen}
    if arguments.quick:
        for name in {"forest", "extra trees"} & set(chosen):
            models[name].set_params(n_estimators=20)
    report: dict[str, Any] = {"about": about(), "quick": arguments.quick}
    report["models"] = {name: repr(model) for name, model in models.items()}
    print(", ".join(f"{name}: {value}" for name, value in report["about"].items()))
    report["rows"] = measure_all(models, arguments)
    report["summary"] = summarise(report["rows"])
    for row in report["summary"]:
        print(("\n" if row["model"] == chosen[0] else "") + show(row))
    if arguments.json:
        arguments.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    if arguments.page:
        fill_page(arguments.page, report)
    if set(RANKED) <= set(models):
        draw(report, arguments.output / "benchmark_tables.png")
        draw_times(report, arguments.output / "benchmark_times.png")


def parse(argv: list[str] | None) -> argparse.Namespace:
    """Read the options, and create the folders for the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer and smaller fits")
    parser.add_argument("--tables", type=Path, help="npz file with NAME.X and NAME.y")
    parser.add_argument("--openml", action="store_true", help="download tables too")
    parser.add_argument("--slow", action="store_true", help="a search of MLPs too")
    parser.add_argument("--models", nargs="+", choices=MODELS, help="only these models")
    parser.add_argument("--groups", nargs="+", choices=GROUPS, help="only these groups")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these tables")
    parser.add_argument("--json", type=Path, help="file for the figures")
    parser.add_argument("--page", type=Path, help="Markdown page to put them in")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "output")
    arguments = parser.parse_args(argv)
    filters = ("quick", "models", "groups", "only")
    if arguments.page and any(getattr(arguments, name) for name in filters):
        parser.error("--page needs all models and tables: leave out the filters")
    for name in ("tables", "page"):
        path = getattr(arguments, name)
        if path and not path.is_file():
            parser.error(f"--{name}: there is no file {path}")
    for folder in filter(
        None, [arguments.output, arguments.json and arguments.json.parent]
    ):
        folder.mkdir(parents=True, exist_ok=True)
    return arguments


def load() -> str:
    """Return the load of the machine; Windows does not measure it."""
    return f"{os.getloadavg()[0]:.2f}" if hasattr(os, "getloadavg") else "unknown"


def about() -> dict[str, str]:
    """Return the machine and the versions of the packages."""
    packages = ("numpy", "scipy", "scikit-learn")
    return {
        "machine": platform.machine(),
        "cpus": str(os.cpu_count()),
        "threads": str(max(pool["num_threads"] for pool in threadpool_info())),
        "load": load(),
        "python": platform.python_version(),
        "sknn3": sknn3.__version__,
        **{package: version(package) for package in packages},
    }


def show(row: Row) -> str:
    """Return a row as text, with four digits of each float."""
    return "  ".join(
        f"{value:20s}" if key == "model" else f"{key} {tidy(value)}"
        for key, value in row.items()
        if key not in ("samples", "features", "classes")
    )


def tidy(value: Any) -> str:
    """Return a float with four digits, and other values as text."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


# ------------------------------------------------------------------------ the data


def find_tables(arguments: argparse.Namespace) -> Iterator[tuple[str, str, Table]]:
    """Yield the group, the name and the data of each chosen table."""
    found: dict[str, dict[str, Any]] = {"tables": {}, "own": own_tables()}
    if arguments.tables:
        found["tables"] = read_tables(arguments.tables)
    if arguments.openml:
        found["openml"] = OPENML
    known = {name for tables in found.values() for name in tables}
    if unknown := set(arguments.only or ()) - known:
        names = ", ".join(sorted(known))
        raise SystemExit(f"--only: no table {sorted(unknown)}.  There are: {names}")
    for group in arguments.groups or GROUPS:
        chosen = [n for n in found.get(group, {}) if n in (arguments.only or known)]
        for name in chosen[:2] if arguments.quick else chosen:
            table = found[group][name]
            yield group, name, download(table) if group == "openml" else table


def read_tables(path: Path) -> dict[str, Table]:
    """Read the tables of an npz file, features in float64."""
    with np.load(path) as file:
        names = [key[:-2] for key in file if key.endswith(".X")]
        if not names:
            raise SystemExit(f"--tables: {path} has no array whose name ends in .X")
        return {
            name: (file[f"{name}.X"].astype(float), file[f"{name}.y"]) for name in names
        }


def own_tables() -> dict[str, Table]:
    """Return scikit-learn's small data sets, and generated ones from fixed seeds."""
    loaders = (load_iris, load_wine, load_breast_cancer, load_digits)
    tables = {load.__name__[5:]: load(return_X_y=True) for load in loaders}
    tables["moons"] = make_moons(1000, noise=0.2, random_state=0)
    tables["circles"] = make_circles(200, noise=0.1, factor=0.5, random_state=0)
    tables["xor"] = xor(400)
    tables["spirals"] = spirals(400)
    kinds = {
        "linear": {"n_informative": 5, "n_clusters_per_class": 1, "flip_y": 0.05},
        "clusters": {"n_informative": 8, "n_classes": 4, "class_sep": 1.5},
        "wide": {"n_features": 100, "n_informative": 10, "n_redundant": 20},
        "rare class": {"n_informative": 6, "weights": [0.93], "class_sep": 0.8},
    }
    for name, kind in kinds.items():
        tables[name] = make_classification(500, random_state=0, **kind)
    return tables


def xor(n_samples: int) -> Table:
    """Return noisy XOR of the signs of two features, beside four without meaning."""
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (n_samples, 6))
    y = (X[:, 0] > 0) ^ (X[:, 1] > 0) ^ (rng.random(n_samples) < 0.05)
    return X, y.astype(int)


def spirals(n_samples: int) -> Table:
    """Return two spirals of one and a half turns, with noise."""
    rng = np.random.default_rng(0)
    y = np.arange(n_samples) % 2
    turn = 3 * np.pi * np.sqrt(rng.uniform(0.02, 1, n_samples))
    angle = turn + np.pi * y
    X = turn[:, np.newaxis] * np.column_stack([np.cos(angle), np.sin(angle)])
    return X + rng.normal(0, 0.6, X.shape), y


def download(number: int) -> Table:
    """Download a table from OpenML, with categories as columns of 0 and 1."""
    try:
        data = fetch_openml(data_id=number, as_frame=True, parser="auto")
    except OSError as error:
        raise SystemExit(
            f"--openml: OpenML cannot be reached ({error}).  Without this option, the "
            "script needs no network."
        ) from error
    encode = make_column_transformer(
        (
            OneHotEncoder(sparse_output=False),
            make_column_selector(dtype_exclude="number"),
        ),
        remainder=SimpleImputer(),
    )
    labels, y, counts = np.unique(
        data.target.astype(str), return_inverse=True, return_counts=True
    )
    kept = np.isin(y, np.flatnonzero(counts >= 8))
    return encode.fit_transform(data.data)[kept], labels[y[kept]]


# ------------------------------------------------------------------ how to measure


def measure_all(models: dict[str, Any], arguments: argparse.Namespace) -> list[Row]:
    """Return and print the figures of each model on each chosen table."""
    tables = [*find_tables(arguments)]
    fit_and_score(models, *load_iris(return_X_y=True))  # imports what is imported late
    rows = []
    for group, name, (X, y) in tables:
        print(f"\n{name}: {len(X)} x {X.shape[1]}, {len(np.unique(y))} classes")
        for row in measure(models, X, y, n_folds=2 if arguments.quick else 5):
            rows.append({"group": group, "table": name} | row)
            print("  " + show(row))
    return rows


def measure(
    models: dict[str, Any], X: np.ndarray, y: np.ndarray, n_folds: int
) -> Iterator[Row]:
    """Yield the means over the folds for each model.

    The models alternate within each fold, so that other processes disturb all of them.
    """
    folds = StratifiedKFold(n_folds, shuffle=True, random_state=0)
    results = [
        fit_and_score(models, X[train], y[train], X[test], y[test])
        for train, test in folds.split(X, y)
    ]
    shape = {"samples": len(X), "features": X.shape[1], "classes": len(np.unique(y))}
    for name in models:
        each = [result[name] for result in results]
        means = {key: float(np.mean([row[key] for row in each])) for key in each[0]}
        yield {"model": name} | shape | means


def fit_and_score(
    models: dict[str, Any],
    X: np.ndarray,
    y: np.ndarray,
    X_test: np.ndarray | None = None,
    y_test: np.ndarray | None = None,
) -> dict[str, Row]:
    """Fit each model once, and score it on the test rows if there are any."""
    results = {}
    for name, model in models.items():
        pipe = make_pipeline(StandardScaler(), clone(model))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            start = perf_counter()
            pipe.fit(X, y)
            spent = perf_counter() - start
        if X_test is None:
            continue
        P = pipe.predict_proba(X_test)
        results[name] = {
            "accuracy": float(np.mean(pipe.predict(X_test) == y_test)),
            "log loss": float(log_loss(y_test, P, labels=pipe.classes_)),
            "seconds": spent,
            "warned": any(issubclass(w.category, ConvergenceWarning) for w in caught),
        }
    return results


def summarise(rows: list[Row]) -> list[Row]:
    """Return means, ranks and times of each model over the tables of each group."""
    summary = []
    for group in dict.fromkeys(row["group"] for row in rows):
        found: dict[str, list[Row]] = {}
        for row in rows:
            if row["group"] == group:
                found.setdefault(row["model"], []).append(row)
        values = {
            model: {
                key: np.array([row[key] for row in each])
                for key in ("accuracy", "log loss", "warned", "seconds")
            }
            for model, each in found.items()
        }
        ranks = mean_ranks(values)
        for model, of_model in values.items():
            seconds = of_model.pop("seconds")
            row = {"model": model, "group": group, "tables": len(seconds)}
            row |= {key: float(value.mean()) for key, value in of_model.items()}
            row |= ranks.get(model, {})
            row |= {"seconds": float(seconds.sum())}
            row |= {"median seconds": float(np.median(seconds))}
            summary.append(row)
    return summary


def mean_ranks(values: dict[str, dict[str, np.ndarray]]) -> dict[str, Row]:
    """Return the mean ranks of the models that are ranked; equal values share theirs.

    Rounding keeps the order in which the folds are added from breaking ties.
    """
    ranks: dict[str, Row] = {model: {} for model in values if model in RANKED}
    for key, sign in (("accuracy", -1), ("log loss", 1)):
        if ranks:
            table = sign * np.array([values[model][key] for model in ranks])
            means = rankdata(table.round(12), axis=0).mean(axis=1)
            for model, mean in zip(ranks, means.tolist(), strict=True):
                ranks[model][f"rank in {key}"] = mean
    return ranks


# ------------------------------------------------------------------------- the page

LABELS = {
    "net": "**`ThreeLayerNNClassifier`**",
    "search": "**`ThreeLayerNNClassifierCV`**, by log loss",
    "search by accuracy": "`ThreeLayerNNClassifierCV`, by accuracy",
    "average": "average of five `ThreeLayerNNClassifier`",
    "MLP": "`MLPClassifier`",
    "MLP search": "`GridSearchCV` of `MLPClassifier`, by log loss",
    "logistic": "`LogisticRegression`",
    "forest": "`RandomForestClassifier`",
    "extra trees": "`ExtraTreesClassifier`",
    "boosting": "`HistGradientBoostingClassifier`",
    "SVC": "`SVC`, calibrated",
}


def fill_page(path: Path, report: dict[str, Any]) -> None:
    """Put the figures of each group between its two lines in a Markdown page."""
    text = path.read_text(encoding="utf-8")
    for group, figures in page_figures(report).items():
        before, begin, rest = text.partition(BEGIN.format(group))
        if not begin:
            raise SystemExit(f"--page: {path} has no line {BEGIN.format(group)}")
        text = f"{before}{begin}\n\n{figures}\n\n{END}{rest.partition(END)[2]}"
    path.write_text(text, encoding="utf-8")


def page_figures(report: dict[str, Any]) -> dict[str, str]:
    """Return the Markdown of the machine and of each group of tables."""
    facts = report["about"]
    packages = "numpy", "scipy", "scikit-learn", "sknn3"
    machine = (
        f"{facts['cpus']} cores ({facts['machine']}), at most {facts['threads']} "
        f"threads in BLAS and OpenMP, Python {facts['python']}, "
        + ", ".join(f"{package} {facts[package]}" for package in packages)
    )
    figures = {"machine": machine}
    for group in dict.fromkeys(row["group"] for row in report["summary"]):
        summary = [row for row in report["summary"] if row["group"] == group]
        rows = [row for row in report["rows"] if row["group"] == group]
        parts = [means_table(summary), wins_table(rows), losses_table(rows)]
        figures[group] = "\n\n".join([*parts, all_tables(rows)])
    return figures


def markdown(header: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def means_table(summary: list[Row]) -> str:
    """Return the means and ranks of each model, the best rank in log loss first."""
    header = ["", "log loss", "mean rank", "accuracy", "mean rank", "median s a fit"]
    header += ["time over `MLPClassifier`", "fits that warn"]
    rows = []
    peer = next(row for row in summary if row["model"] == "MLP")
    for row in sorted(summary, key=lambda row: row.get("rank in log loss", np.inf)):
        cells = [LABELS[row["model"]]]
        for key, digits in (("log loss", 3), ("accuracy", 4)):
            rank = row.get(f"rank in {key}")
            cells += [f"{row[key]:.{digits}f}", f"{rank:.2f}" if rank else ""]
        over = row["seconds"] / peer["seconds"]
        cells += [f"{row['median seconds']:.3f}", f"{over:.2f}", f"{row['warned']:.0%}"]
        rows.append(cells)
    return markdown(header, rows)


def by_table(rows: list[Row], key: str) -> dict[str, dict[str, float]]:
    """Return a figure of each model that is ranked, for each table."""
    tables: dict[str, dict[str, float]] = {}
    for row in rows:
        tables.setdefault(row["table"], {})[row["model"]] = row[key]
    return {
        table: {model: each[model] for model in RANKED}
        for table, each in tables.items()
    }


def wins_table(rows: list[Row]) -> str:
    """Return on how many tables ours are better than each other model."""
    cells = []
    for key, better, sign in (("log loss", "lower", -1), ("accuracy", "higher", 1)):
        tables = by_table(rows, key)
        for ours in OURS:
            counts = []
            for model in RANKED:
                gaps = [sign * (each[ours] - each[model]) for each in tables.values()]
                counts.append("" if model == ours else str(sum(g > 0 for g in gaps)))
            cells.append([ours, f"{better} {key}", *counts])
    return markdown(["ours", f"of {len(tables)} tables", *RANKED], cells)


def losses_table(rows: list[Row], n_tables: int = 5) -> str:
    """Return the tables on which ours are farthest behind the best model."""
    cells = []
    for ours in OURS:
        behind = [
            (each[ours] - min(each.values()), table, each)
            for table, each in by_table(rows, "log loss").items()
        ]
        behind.sort(key=lambda found: -found[0])
        for gap, table, each in behind[:n_tables]:
            best = min(each, key=each.get)
            figures = [f"{loss:.3f}" for loss in (each[ours], each[best], gap)]
            cells.append([ours, table, best, *figures])
    header = ["farthest behind", "table", "best model", "log loss", "its log loss"]
    return markdown([*header, "difference"], cells)


def all_tables(rows: list[Row]) -> str:
    """Return the log loss of each model on each table, the lowest in bold."""
    shapes = {
        row["table"]: f"{row['samples']} x {row['features']}, {row['classes']}"
        for row in rows
    }
    cells = []
    for table, each in by_table(rows, "log loss").items():
        best = min(each.values())
        losses = [f"{loss:.3f}" for loss in each.values()]
        marked = [
            f"**{text}**" if loss == best else text
            for text, loss in zip(losses, each.values(), strict=True)
        ]
        cells.append([table, shapes[table], *marked])
    return markdown(["log loss", "rows x features, classes", *RANKED], cells)


# ---------------------------------------------------------------------- the picture


def draw(report: dict[str, Any], path: Path) -> None:
    """Draw the first group: mean ranks, and log losses minus that of MLPClassifier."""
    group = report["summary"][0]["group"]
    summary = [row for row in report["summary"] if row["group"] == group]
    losses = by_table([r for r in report["rows"] if r["group"] == group], "log loss")
    figure, axes = plt.subplots(
        2,
        figsize=(5, 3.5 + 0.21 * len(losses)),
        height_ratios=[2.2, 0.6 + 0.21 * len(losses)],
        layout="constrained",
    )
    draw_ranks(axes[0], [row for row in summary if "rank in log loss" in row])
    draw_differences(axes[1], losses)
    figure.savefig(path, dpi=200)
    plt.close(figure)


def draw_ranks(ax: Any, summary: list[Row]) -> None:
    """Draw the mean ranks of each model, the best at the top."""
    summary = sorted(summary, key=lambda row: row["rank in log loss"])
    for key, marker, color in (("log loss", "o", "C0"), ("accuracy", "D", "C1")):
        ranks = [row[f"rank in {key}"] for row in summary]
        ax.plot(ranks, range(len(summary)), marker, color=color, label=key, ms=7)
    finish(ax, [row["model"] for row in summary])
    ax.set_xlim(1, len(summary))
    ax.set_xlabel("mean rank (1 is best)")


def draw_differences(ax: Any, losses: dict[str, dict[str, float]]) -> None:
    """Draw the log loss of ours minus that of MLPClassifier, for each table."""
    tables = sorted(losses, key=lambda name: losses[name]["net"] - losses[name]["MLP"])
    filled, hollow = {"color": "C2", "ms": 6}, {"color": "C3", "ms": 9, "mfc": "none"}
    for ours, marker, style in zip(OURS, "os", (filled, hollow), strict=True):
        gaps = [losses[table][ours] - losses[table]["MLP"] for table in tables]
        ax.plot(gaps, range(len(tables)), marker, label=ours, **style)
    ax.axvline(0, color="0.3", lw=1)
    finish(ax, tables)
    ax.set_xlabel("log loss minus that of MLPClassifier\n(left of 0 is better)")


def draw_times(report: dict[str, Any], path: Path) -> None:
    """Draw the log loss of each model on the first group against the time of a fit."""
    group = report["summary"][0]["group"]
    rows = {row["model"]: row for row in report["summary"] if row["group"] == group}
    figure, ax = plt.subplots(figsize=(7, 3.8), layout="constrained")
    for model in RANKED:
        name, side = NAMES[model]
        seconds, loss = (rows[model][key] for key in ("median seconds", "log loss"))
        ours = model in OURS
        color, size = ("C3", 11) if ours else ("0.35", 7)
        ax.plot(seconds, loss, "o", color=color, ms=size)
        ax.annotate(
            name,
            (seconds, loss),
            xytext=(10 if side == "left" else -10, 0),
            textcoords="offset points",
            ha=side,
            va="center",
            color=color,
            weight="bold" if ours else "normal",
        )
    ax.set_xscale("log")
    ax.xaxis.set_major_formatter("{x:g} s")
    ax.margins(x=0.25, y=0.1)
    ax.set_xlabel("time of a fit (median)")
    ax.set_ylabel("log loss of held-out rows\n(lower is better)")
    ax.grid(alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=200)
    plt.close(figure)


def finish(ax: Any, names: list[str]) -> None:
    """Name the rows, ours in bold, and put the legend above them."""
    ax.set_yticks(range(len(names)), names)
    ax.invert_yaxis()
    for label in ax.get_yticklabels():
        if label.get_text() in OURS:
            label.set_fontweight("bold")
    ax.grid(alpha=0.4)
    ax.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, frameon=False)


if __name__ == "__main__":
    main()
