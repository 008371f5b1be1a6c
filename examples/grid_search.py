"""Search alpha and max_iter by cross-validation, as with any scikit-learn classifier.

The budget of passes is a parameter to search like any other: a short one is a second
way to keep weights small.  GridSearchCV searches any parameters of any pipeline;
ThreeLayerNNClassifierCV searches these two in little more than half of the time, since
a short path is the beginning of a long one.  The picture is written beside this script,
or where ``--output`` says::

    python examples/grid_search.py --n-jobs 2
"""

import argparse
import warnings
from pathlib import Path
from time import perf_counter

import matplotlib.pyplot as plt
import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import MinMaxScaler

from sknn3 import ThreeLayerNNClassifier, ThreeLayerNNClassifierCV
from sknn3.datasets import load_digits20

ALPHAS = [0.1, 1, 3, 10]
PASSES = [10, 30, 70]


def main() -> None:
    """Run the search."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "output")
    parser.add_argument("--n-jobs", type=int, default=1)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    # The budget is what is searched: that it ends a fit needs no warning.
    warnings.simplefilter("ignore", ConvergenceWarning)

    X, y = load_digits20(return_X_y=True)
    pipe = Pipeline(
        [("scale", MinMaxScaler()), ("net", ThreeLayerNNClassifier(random_state=0))]
    )
    search = GridSearchCV(
        pipe,
        {"net__alpha": ALPHAS, "net__max_iter": PASSES},
        cv=5,
        n_jobs=arguments.n_jobs,
    )
    start = perf_counter()
    search.fit(X, y)
    seconds = perf_counter() - start
    print(f"{len(ALPHAS) * len(PASSES)} candidates, 5 folds: {seconds:.1f} s")
    print(f"best: {search.best_params_}, accuracy {search.best_score_:.2%}")
    scores = cross_val_score(search.best_estimator_, X, y, cv=5)
    print(f"cross_val_score of the best: {scores.mean():.2%} +- {scores.std():.2%}")

    # Here the scaler sees all the digits before they are split; without one, the scores
    # of both searches are equal to the bit.
    along_paths = make_pipeline(
        MinMaxScaler(),
        ThreeLayerNNClassifierCV(
            alphas=ALPHAS,
            max_iters=PASSES,
            cv=5,
            n_jobs=arguments.n_jobs,
            random_state=0,
        ),
    )
    start = perf_counter()
    along_paths.fit(X, y)
    net = along_paths[-1]
    print(f"the same along paths: {perf_counter() - start:.1f} s")
    print(f"best: {net.best_params_}, accuracy {net.best_score_:.2%}")

    path = arguments.output / "grid_search.png"
    draw(search.cv_results_["mean_test_score"].reshape(len(ALPHAS), len(PASSES)), path)
    print(f"The picture is {path}")


def draw(scores: np.ndarray, path: Path) -> None:
    """Draw accuracy over the grid."""
    figure, ax = plt.subplots(figsize=(5, 4.5), layout="constrained")
    image = ax.imshow(scores, cmap="viridis")
    ax.set_xticks(range(len(PASSES)), PASSES)
    ax.set_yticks(range(len(ALPHAS)), ALPHAS)
    ax.set(xlabel="max_iter (passes)", ylabel="alpha", title="Accuracy, 5-fold")
    middle = (scores.min() + scores.max()) / 2
    for (row, column), score in np.ndenumerate(scores):
        color = "black" if score > middle else "white"
        ax.text(column, row, f"{score:.1%}", ha="center", va="center", color=color)
    figure.colorbar(image, format="{x:.0%}")
    figure.savefig(path, dpi=120)
    plt.close(figure)


if __name__ == "__main__":
    main()
