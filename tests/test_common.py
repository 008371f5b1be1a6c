"""scikit-learn's own checks, on the default instance and on its variants."""

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import check_estimator

from sknn3 import ThreeLayerNNClassifier

RANDOM_SPLIT = (
    "early stopping draws rows at random: a row of weight 2 is held out as a whole, "
    "one of two equal rows is not"
)
EQUIVALENCE = {
    "check_sample_weight_equivalence_on_dense_data": RANDOM_SPLIT,
    "check_sample_weight_equivalence_on_sparse_data": RANDOM_SPLIT,
}

# All values of the parameters that matter to the checks, mostly with both solvers.
VARIANTS = {
    "default": {},
    "lbfgs": {"solver": "lbfgs"},
    "full-tanh-softmax": {
        "conditioning": "full",
        "activation": "tanh",
        "output_activation": "softmax",
    },
    "diagonal-identity-epsilon": {
        "conditioning": "diagonal",
        "activation": "identity",
        "init_epsilon": 0.12,
    },
    "unconditioned-relu-balanced": {
        "conditioning": None,
        "activation": "relu",
        "class_weight": "balanced",
    },
    "lbfgs-unconditioned-softmax": {
        "solver": "lbfgs",
        "conditioning": None,
        "output_activation": "softmax",
    },
    "unpenalised": {"alpha": 0, "tol": 1e-6, "output_activation": "softmax"},
    "lbfgs-unpenalised": {"solver": "lbfgs", "alpha": 0, "activation": "relu"},
    "warm-start": {"warm_start": True},
    "early-stopping": {"early_stopping": True},
    "lbfgs-early-stopping": {"solver": "lbfgs", "early_stopping": True},
}
# 50 passes are enough for the checks, except where they compare fits that continue one
# another: these agree once all have converged.
for name in VARIANTS.keys() - {"default", "lbfgs", "warm-start"}:
    VARIANTS[name]["max_iter"] = 50

QUICK = {"default", "lbfgs", "early-stopping"}
PARAMS = [
    pytest.param(params, id=name, marks=[] if name in QUICK else pytest.mark.slow)
    for name, params in VARIANTS.items()
]

# Tested in `test_array_api.py`: they need SCIPY_ARRAY_API before SciPy is imported.
ELSEWHERE = {
    "check_array_api_input",
    "check_array_api_mixed_inputs",
    "check_array_api_same_namespace",
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("params", PARAMS)
def test_check_estimator(params):
    expected = EQUIVALENCE if params.get("early_stopping") else {}
    results = check_estimator(
        ThreeLayerNNClassifier(**params),
        expected_failed_checks=expected,
        on_fail=None,
        on_skip=None,
    )
    by_status = {}
    for result in results:
        by_status.setdefault(result["status"], []).append(result)
    assert not [(r["check_name"], r["exception"]) for r in by_status.get("failed", [])]
    assert {r["check_name"] for r in by_status.get("xfail", [])} == set(expected)
    assert {r["check_name"] for r in by_status.get("skipped", [])} <= ELSEWHERE
    assert len(by_status["passed"]) >= 60


# check_estimator does not run these checks.


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("params", PARAMS)
@pytest.mark.parametrize(
    "check",
    [
        estimator_checks.check_param_validation,
        estimator_checks.check_dataframe_column_names_consistency,
        estimator_checks.check_inplace_ensure_writeable,
    ],
    ids=lambda check: check.__name__,
)
def test_scikit_learn_checks_outside_check_estimator(check, params):
    check("ThreeLayerNNClassifier", ThreeLayerNNClassifier(**params))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", ["tnc", "lbfgs"])
def test_check_classifier_multioutput(solver):
    estimator_checks.check_classifier_multioutput(
        "ThreeLayerNNClassifier", ThreeLayerNNClassifier(solver=solver)
    )


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", ["tnc", "lbfgs"])
def test_check_class_weight_balanced_classifiers(solver):
    X, y = make_classification(
        400, 6, weights=[0.85], class_sep=0.4, flip_y=0, random_state=0
    )
    # One class is rare in the training part, and as frequent as the other in the test.
    rare, common = np.flatnonzero(y == 1), np.flatnonzero(y == 0)
    test = np.r_[rare[:30], common[:30]]
    train = np.setdiff1d(np.arange(400), test)
    estimator_checks.check_class_weight_balanced_classifiers(
        "ThreeLayerNNClassifier",
        ThreeLayerNNClassifier(solver=solver),
        X[train],
        y[train],
        X[test],
        y[test],
        None,
    )
