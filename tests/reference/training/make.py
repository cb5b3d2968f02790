"""Writes the numbers that tests/training compares with. Run: python make.py (versions are written into the files)."""

import json
import platform
from pathlib import Path

import numpy as np
import sklearn
from sklearn import metrics as m
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_diabetes
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

HERE = Path(__file__).parent
VERSIONS = {"python": platform.python_version(), "numpy": np.__version__, "scikit-learn": sklearn.__version__}


def write(name, content):
    (HERE / name).write_text(json.dumps({"made_by": "make.py", "versions": VERSIONS, **content}) + "\n")


def rounded(array, digits=12):
    return [float(f"{value:.{digits}g}") for value in np.asarray(array).ravel()]


def make_metrics():
    random = np.random.default_rng(7)
    y = np.round(random.gamma(2, 50, 60), 3) + 1
    predictions = np.round(y + random.normal(0, 20, 60), 3)
    labels = (random.random(60) < 0.35).astype(int)
    # One decimal, so that many scores tie; 0 and 1 are among them.
    scores = np.clip(np.round(0.35 + 0.3 * (labels - 0.35) + random.normal(0, 0.25, 60), 1), 0, 1)
    write(
        "metrics.json",
        {
            "regression": {
                "y": y.tolist(),
                "predictions": predictions.tolist(),
                "metrics": {
                    "rmse": m.root_mean_squared_error(y, predictions),
                    "mae": m.mean_absolute_error(y, predictions),
                    "r2": m.r2_score(y, predictions),
                    "mape": m.mean_absolute_percentage_error(y, predictions),
                },
            },
            "binary": {
                "y": labels.tolist(),
                "predictions": scores.tolist(),
                "metrics": {
                    "logLoss": m.log_loss(labels, scores),
                    "rocAuc": m.roc_auc_score(labels, scores),
                    "averagePrecision": m.average_precision_score(labels, scores),
                    "accuracy": m.accuracy_score(labels, scores > 0.5),
                    "brier": m.brier_score_loss(labels, scores),
                },
            },
        },
    )


def standardized(X):
    """Standard scores as float32, which both sides then take as given."""
    return StandardScaler().fit_transform(X).astype(np.float32)


def make_linear():
    X, y = load_diabetes(return_X_y=True, scaled=False)
    X = standardized(X[:200])
    y = y[:200]
    fits = {}
    for alpha in (0, 1, 50):
        model = LinearRegression() if alpha == 0 else Ridge(alpha=alpha, solver="cholesky")
        model.fit(X.astype(np.float64), y)
        fits[alpha] = {"intercept": float(model.intercept_), "coefficients": rounded(model.coef_)}
    write("ridge.json", {"columns": X.T.tolist(), "y": y.tolist(), "fits": fits})


def make_logistic():
    X, y = load_breast_cancer(return_X_y=True)
    X = standardized(X[:250, :12])
    y = y[:250]
    fits = {}
    for C in (0.1, 1.0, 20.0):
        model = LogisticRegression(C=C, tol=1e-12, max_iter=10000, solver="newton-cholesky")
        model.fit(X.astype(np.float64), y)
        fits[C] = {"intercept": float(model.intercept_[0]), "coefficients": rounded(model.coef_)}
    write("logistic.json", {"columns": X.T.tolist(), "y": y.tolist(), "fits": fits})


def make_pipeline_reference():
    """Missing numbers and texts, and categories that only the last rows hold: the whole pipeline as scikit-learn has it."""
    random = np.random.default_rng(11)
    n, n_train = 160, 120
    a = np.round(random.normal(1000, 3, n), 2)
    b = np.round(random.exponential(2, n), 3)
    c = random.choice(["red", "green", "blue", ""], n, p=[0.4, 0.3, 0.2, 0.1]).astype(object)
    c[150:] = "violet"
    y = 3 * (a - 1000) - 2 * b + np.where(c == "red", 5, np.where(c == "green", -1, 0)) + random.normal(0, 1, n)
    y = np.round(y, 3)
    a[random.random(n) < 0.15] = np.nan
    a32 = a.astype(np.float32).astype(np.float64)
    b32 = b.astype(np.float32).astype(np.float64)
    X = np.column_stack([a32, b32, c]).astype(object)
    encoder = OneHotEncoder(categories=[["blue", "green", "red"]], handle_unknown="ignore", sparse_output=False)
    prepare = ColumnTransformer(
        [("numbers", make_pipeline(SimpleImputer(strategy="median"), StandardScaler()), [0, 1]), ("texts", encoder, [2])]
    )
    linear = make_pipeline(prepare, Ridge(alpha=1.0)).fit(X[:n_train], y[:n_train])
    labels = (y > 0).astype(int)
    logistic = make_pipeline(prepare, LogisticRegression(C=1.0, tol=1e-12, max_iter=1000, solver="newton-cholesky"))
    logistic.fit(X[:n_train], labels[:n_train])
    write(
        "pipeline.json",
        {
            "train_rows": n_train,
            "a": [None if np.isnan(value) else float(value) for value in a],
            "b": b.tolist(),
            "c": [value or None for value in c],
            "y": y.tolist(),
            "linear": rounded(linear.predict(X[n_train:])),
            "logistic": rounded(logistic.predict_proba(X[n_train:])[:, 1]),
        },
    )


make_metrics()
make_linear()
make_logistic()
make_pipeline_reference()
