"""Writes lightgbm.json: what LightGBM and scikit-learn reach on held-out rows, with the parameters of our defaults.

    python -m venv /tmp/reference && /tmp/reference/bin/pip install -r tests/reference/boosting/requirements.txt
    /tmp/reference/bin/python tests/reference/boosting/make.py

Bike sharing: examples/bike-demand/data/hour.csv (CC BY 4.0), trained before 2012-10-01.
Breast cancer: bundled with scikit-learn (UCI, CC BY 4.0); written to breast-cancer.csv, every third row is held out.
"""

import json
import platform
from pathlib import Path

import lightgbm
import numpy
import pandas
import sklearn
from sklearn.datasets import load_breast_cancer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import log_loss, roc_auc_score

HERE = Path(__file__).parent
HOURS = HERE.parents[2] / "examples" / "bike-demand" / "data" / "hour.csv"
CALENDAR = ["season", "yr", "mnth", "hr", "holiday", "weekday", "workingday"]
WEATHER = ["weathersit", "temp", "atemp", "hum", "windspeed"]
LAGS = {"lag24": 24, "lag168": 168}
PARAMETERS = dict(n_estimators=100, num_leaves=31, learning_rate=0.1, max_bin=255, min_child_samples=20, verbose=-1)
BUSY = 200  # rides an hour; the binary task on the same table


def bike_hours():
    table = pandas.read_csv(HOURS)
    hour = pandas.to_datetime(table.dteday) + pandas.to_timedelta(table.hr, unit="h")
    rides = pandas.Series(table.cnt.values, index=hour)
    for name, hours in LAGS.items():
        table[name] = rides.reindex(hour - pandas.Timedelta(hours=hours)).values
    return table


def regression(table, features):
    train = table.dteday < "2012-10-01"
    X = table[features].astype(numpy.float32)
    held_out = table.cnt[~train]

    def rmse(model):
        predicted = model.fit(X[train], table.cnt[train]).predict(X[~train])
        return float(numpy.sqrt(numpy.mean((predicted - held_out) ** 2)))

    return {
        "features": features,
        "trainRows": int(train.sum()),
        "testRows": int((~train).sum()),
        "lightgbmRmse": rmse(lightgbm.LGBMRegressor(**PARAMETERS)),
        "sklearnRmse": rmse(HistGradientBoostingRegressor(early_stopping=False)),
    }


def binary(X, y, train):
    def scores(model):
        probability = model.fit(X[train], y[train]).predict_proba(X[~train])[:, 1]
        return {"rocAuc": float(roc_auc_score(y[~train], probability)), "logLoss": float(log_loss(y[~train], probability))}

    return {
        "trainRows": int(train.sum()),
        "testRows": int((~train).sum()),
        "lightgbm": scores(lightgbm.LGBMClassifier(**PARAMETERS)),
        "sklearn": scores(HistGradientBoostingClassifier(early_stopping=False)),
    }


def breast_cancer():
    X, y = load_breast_cancer(return_X_y=True)
    X = X.astype(numpy.float32)
    names = [f"x{i}" for i in range(X.shape[1])]
    frame = pandas.DataFrame(X, columns=names).assign(y=y)
    frame.to_csv(HERE / "breast-cancer.csv", index=False)
    return binary(X, y, numpy.arange(len(y)) % 3 != 2)


hours = bike_hours()
result = {
    "made_with": {
        "python": platform.python_version(),
        "lightgbm": lightgbm.__version__,
        "scikit-learn": sklearn.__version__,
        "numpy": numpy.__version__,
        "pandas": pandas.__version__,
    },
    "parameters": PARAMETERS,
    "bike": {
        "calendar and weather": regression(hours, CALENDAR + WEATHER),
        "calendar, weather and lags": regression(hours, CALENDAR + WEATHER + list(LAGS)),
        "calendar and lags": regression(hours, CALENDAR + list(LAGS)),
    },
    "busyHours": {
        "features": CALENDAR + WEATHER + list(LAGS),
        "above": BUSY,
        **binary(
            hours[CALENDAR + WEATHER + list(LAGS)].astype(numpy.float32),
            (hours.cnt > BUSY).astype(int),
            hours.dteday < "2012-10-01",
        ),
    },
    "breastCancer": breast_cancer(),
}
(HERE / "lightgbm.json").write_text(json.dumps(result, indent=2) + "\n")
