"""Point-in-time joins by pandas and DuckDB, for tests/features/point-in-time-join.test.ts.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install pandas==3.1.1 duckdb==2.0.0
    /tmp/venv/bin/python make.py        # writes point-in-time.json beside this file

Facts arrive late, are corrected later (same entity and event time, later known-at) and tie; some entities have none.
`event_time`: known = event time, so pandas' merge_asof and DuckDB's ASOF JOIN on the cut-off answer directly.
`known_at`: two inequalities, which neither offers; pandas joins each label with the facts known at its own cut-off,
DuckDB ranks the candidates. Both must agree before the file is written.
"""

import json
import pathlib
import random
import sys

import duckdb
import pandas as pd

HORIZON = pd.Timedelta(hours=24)
TTL = pd.Timedelta(hours=40)
START = pd.Timestamp("2024-01-01")


def make():
    random.seed(20240101)
    facts, labels = [], {}
    for value in range(700):
        entity = random.choice("abcdefghij")
        # Whole hours, so that event times and cut-offs often meet exactly.
        event = START + pd.Timedelta(hours=random.randrange(24 * 40))
        delay = random.choice([0, 0, 1, 6, 30, 24 * 9, 24 * 20])
        facts.append((entity, event, event + pd.Timedelta(hours=delay), value))
        if random.random() < 0.25:
            facts.append((entity, event, event + pd.Timedelta(hours=delay + random.randrange(1, 72)), value + 1000))
    for _ in range(400):
        entity = random.choice("abcdefghijxyz")
        labels[(entity, START + pd.Timedelta(hours=random.randrange(24 * 45)))] = None
    facts = pd.DataFrame(facts, columns=["entity", "event_time", "known_at", "value"])
    # Of full ties the greatest value counts: plumbline's rule, told to the others here.
    facts = facts.sort_values("value").drop_duplicates(["entity", "event_time", "known_at"], keep="last")
    labels = pd.DataFrame(sorted(labels, key=lambda k: (k[1], k[0])), columns=["entity", "label_time"])
    return facts.sort_values(["event_time", "known_at", "value"]).reset_index(drop=True), labels


def pandas_event_time(facts, labels, ttl):
    one = facts.sort_values(["event_time", "value"]).drop_duplicates(["entity", "event_time"], keep="last")
    left = labels.assign(cut_off=labels.label_time - HORIZON)
    joined = pd.merge_asof(
        left.sort_values("cut_off"), one, left_on="cut_off", right_on="event_time", by="entity",
        tolerance=None if ttl is None else ttl - HORIZON,
    )
    return joined.sort_values(["label_time", "entity"]).value


def duckdb_event_time(facts, labels, ttl):
    joined = duckdb.sql("""
        WITH one AS (SELECT entity, event_time, max(value) AS value FROM facts GROUP BY ALL)
        SELECT l.entity, l.label_time, f.event_time, f.value
          FROM (SELECT *, label_time - INTERVAL 24 HOURS AS cut_off FROM labels) l
          ASOF LEFT JOIN one f ON l.entity = f.entity AND l.cut_off >= f.event_time
         ORDER BY l.label_time, l.entity""").df()
    if ttl is not None:
        joined.loc[joined.event_time < joined.label_time - ttl, "value"] = None
    return joined.value


def pandas_known_at(facts, labels, ttl):
    values = []
    for label in labels.itertuples():
        known = facts[facts.known_at <= label.label_time - HORIZON].sort_values(["event_time", "known_at"])
        joined = pd.merge_asof(
            pd.DataFrame([{"entity": label.entity, "label_time": label.label_time}]), known,
            left_on="label_time", right_on="event_time", by="entity", tolerance=ttl,
        )
        values.append(joined.value[0])
    return pd.Series(values)


def duckdb_known_at(facts, labels, ttl):
    within = "" if ttl is None else f"AND f.event_time >= l.label_time - INTERVAL {int(ttl.total_seconds())} SECONDS"
    return duckdb.sql(f"""
        SELECT l.entity, l.label_time, f.value FROM labels l
          LEFT JOIN facts f ON f.entity = l.entity AND f.event_time <= l.label_time
                           AND f.known_at <= l.label_time - INTERVAL 24 HOURS {within}
        QUALIFY row_number() OVER (PARTITION BY l.entity, l.label_time ORDER BY f.event_time DESC, f.known_at DESC) = 1
         ORDER BY l.label_time, l.entity""").df().value


def plain(values):
    return [None if pd.isna(value) else int(value) for value in values]


facts, labels = make()
expected = {}
for name, of_pandas, of_duckdb in [
    ("event_time", pandas_event_time, duckdb_event_time),
    ("known_at", pandas_known_at, duckdb_known_at),
]:
    for ttl in (None, TTL):
        a, b = plain(of_pandas(facts, labels, ttl)), plain(of_duckdb(facts, labels, ttl))
        assert a == b, (name, ttl, [(i, x, y) for i, (x, y) in enumerate(zip(a, b)) if x != y][:5])
        expected[name if ttl is None else f"{name}_ttl"] = a

text = lambda time: time.strftime("%Y-%m-%d %H:%M:%S")
document = {
    "made_with": {"python": sys.version.split()[0], "pandas": pd.__version__, "duckdb": duckdb.__version__},
    "horizon_ms": int(HORIZON.total_seconds() * 1000),
    "ttl_ms": int(TTL.total_seconds() * 1000),
    "facts": [[f.entity, text(f.event_time), text(f.known_at), f.value] for f in facts.itertuples()],
    "labels": [[l.entity, text(l.label_time)] for l in labels.itertuples()],
    "expected": expected,
}
path = pathlib.Path(__file__).with_name("point-in-time.json")
path.write_text("{\n" + ",\n".join(f"{json.dumps(k)}: {json.dumps(v)}" for k, v in document.items()) + "\n}\n")
print({name: (len(values), sum(value is None for value in values)) for name, values in expected.items()})
