"""
Fit a table with text and missing values
========================================

Most tables have missing values, and columns of text beside columns of numbers. The
network takes numbers only. Put a ``ColumnTransformer`` before it, which fills the gaps,
scales the numbers and encodes the categories. One pipeline then takes tables as they
come, also new rows. The data are the passengers of the Titanic: who survived?
"""

import tempfile
from importlib.resources import files
from operator import methodcaller
from pathlib import Path

import joblib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedKFold,
    cross_validate,
    train_test_split,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from sknn3 import ThreeLayerNNClassifier, ThreeLayerNNClassifierCV

# %%
# The table
# ---------
# With a network connection, ``fetch_openml("titanic", version=1)`` returns this table.
# scikit-learn's tests have a copy, which we read here. The first letter of a cabin is
# its deck. ``pclass`` has the numbers 1 to 3, but they are names of classes, so we
# convert it to the dtype category.

copy = files("sklearn.datasets") / "tests/data/openml/id_40945"
names = (
    "pclass survived name sex age sibsp parch ticket fare cabin embarked boat body home"
)
table = pd.read_csv(
    copy / "data-v1-dl-16826755.arff.gz",
    skiprows=17,  # the header
    names=names.split(),
    na_values="?",
)
table = table.assign(
    pclass=table["pclass"].astype("category"), deck=table["cabin"].str[0]
)
X = table[["pclass", "sex", "age", "sibsp", "parch", "fare", "embarked", "deck"]]
y = table["survived"]
X_train, X_test, y_train, y_test = train_test_split(X, y, stratify=y, random_state=0)
print(
    pd.DataFrame({"dtype": X.dtypes, "missing": X.isna().mean().map("{:.1%}".format)})
)

# %%
# The pipeline
# ------------
# ``add_indicator=True`` adds a column of 0 and 1 for each column with gaps, because a
# missing age is information too. The encoder makes a missing value a category.
# Categories with fewer than ten passengers share one column. New rows with unknown
# categories get that column, or zeros if there is no such column. Categories become
# Python objects first, and ``None`` and ``pandas.NA`` become NaN. Otherwise a column of
# new rows without any value would have a dtype of numbers.

to_objects = methodcaller("to_numpy", object, False, np.nan)  # dtype, copy, na_value
prepare = make_column_transformer(
    (
        make_pipeline(
            SimpleImputer(strategy="median", add_indicator=True), StandardScaler()
        ),
        make_column_selector(dtype_include="number"),
    ),
    (
        make_pipeline(
            FunctionTransformer(to_objects, feature_names_out="one-to-one"),
            OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=10),
        ),
        make_column_selector(dtype_exclude="number"),
    ),
)
pipe = make_pipeline(prepare, ThreeLayerNNClassifier(random_state=0))
pipe.fit(X_train, y_train)
print(f"{len(pipe[0].get_feature_names_out())} columns from {X.shape[1]}")
print(f"accuracy on held-out passengers: {pipe.score(X_test, y_test):.1%}")

# %%
# Two searches
# ------------
# :class:`~sknn3.ThreeLayerNNClassifierCV` as the last step searches ``alpha`` and the
# number of passes, by log loss. The steps before it are fitted once, to all rows.
# ``GridSearchCV`` over the pipeline fits them in each fold, without the rows of the
# test fold, and can search their parameters too. The rows of this table are sorted by
# class and name, so the folds need ``shuffle=True``.

folds = StratifiedKFold(5, shuffle=True, random_state=0)
quick = make_pipeline(
    prepare,
    ThreeLayerNNClassifierCV(cv=folds, random_state=0),
)
quick.fit(X_train, y_train)
print(f"{quick[-1].best_params_}, log loss in the folds {-quick[-1].best_score_:.3f}")

grid = {
    "threelayernnclassifier__alpha": [1, 3, 10],
    "columntransformer__pipeline-2__onehotencoder__min_frequency": [3, 10],
}
thorough = GridSearchCV(pipe, grid, scoring="neg_log_loss", cv=folds)
thorough.fit(X_train, y_train)
print(f"{thorough.best_params_}, log loss in the folds {-thorough.best_score_:.3f}")

# %%
# Beside other classifiers
# ------------------------
# Logistic regression needs the same steps as the network. Gradient boosting takes gaps
# and the dtype category, but no text. All but the search are at their defaults, and all
# are scored on the same held-out passengers of five folds.

text = X.select_dtypes(exclude="number").columns
X_boosting = X.astype(dict.fromkeys(text, "category"))
models = {
    "network": (pipe, X),
    "network, quick search": (quick, X),
    "logistic regression": (make_pipeline(prepare, LogisticRegression()), X),
    "gradient boosting": (HistGradientBoostingClassifier(random_state=0), X_boosting),
}
print("                       log loss  accuracy")
for name, (model, data) in models.items():
    scores = cross_validate(
        model, data, y, scoring=["neg_log_loss", "accuracy"], cv=folds
    )
    loss = -scores["test_neg_log_loss"].mean()
    print(f"{name:<21}  {loss:>8.3f}  {scores['test_accuracy'].mean():>8.1%}")

# %%
# Which columns matter
# --------------------
# ``permutation_importance`` shuffles one column of the table at a time, before the
# pipeline encodes it, and measures by how much the log loss of held-out passengers
# increases.

result = permutation_importance(
    pipe, X_test, y_test, scoring="neg_log_loss", n_repeats=10, random_state=0
)
order = np.argsort(result.importances_mean)
figure, ax = plt.subplots(figsize=(6, 3.5), layout="constrained")
ax.barh(
    X.columns[order],
    result.importances_mean[order],
    xerr=result.importances_std[order],
)
ax.set(xlabel="Increase of the log loss if the column is shuffled")
plt.show()

# %%
# Save, load and predict
# ----------------------
# The saved pipeline contains all steps, so the loaded one takes rows with text and
# missing values. Here an age and all decks are missing, and no passenger of the
# training data came from one of the ports. A file of joblib can run code when it is
# loaded, so load only your own.

with tempfile.TemporaryDirectory() as folder:
    joblib.dump(pipe, Path(folder) / "titanic.joblib")
    loaded = joblib.load(Path(folder) / "titanic.joblib")
rows = pd.DataFrame(
    {
        "pclass": [1, 3],
        "sex": ["female", "male"],
        "age": [np.nan, 40],
        "sibsp": [0, 0],
        "parch": [0, 1],
        "fare": [80, 8.05],
        "embarked": ["Belfast", "S"],
        "deck": [np.nan, np.nan],
    }
)
print("probability of survival:", loaded.predict_proba(rows)[:, 1].round(2))
