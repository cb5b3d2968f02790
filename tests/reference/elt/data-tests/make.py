"""Makes dbt.json: what dbt's own tests say about the table of setup.sql.

pip install dbt-core==1.9.* dbt-postgres==1.9.*; python make.py postgres://postgres@127.0.0.1:5432/postgres
dbt-core has no unique test of several columns, so only tests of one column are compared. Needs an empty database.
"""
import json, os, subprocess, sys, tempfile, urllib.parse, pathlib
import psycopg2
from importlib.metadata import version

here = pathlib.Path(__file__).parent
url = urllib.parse.urlparse(sys.argv[1])
with psycopg2.connect(sys.argv[1]) as connection, connection.cursor() as cursor:
    cursor.execute((here / "setup.sql").read_text())
connection.close()

cases = json.loads((here / "cases.json").read_text())
tests = []
for case in cases:
    column = case.get("column")
    if case["kind"] in ("not_null", "unique"):
        tests.append({"column": column, "test": case["kind"]})
    elif case["kind"] == "accepted_values":
        tests.append({"column": column, "test": {"accepted_values": {"values": case["values"]}}})
    else:
        tests.append({"column": column, "test": {"relationships": {"to": "ref('kinds')", "field": case["field"]}}})

with tempfile.TemporaryDirectory() as folder:
    root = pathlib.Path(folder)
    (root / "models").mkdir()
    (root / "dbt_project.yml").write_text(json.dumps(
        {"name": "reference", "version": "1.0.0", "profile": "reference", "model-paths": ["models"]}))
    (root / "profiles.yml").write_text(json.dumps({"reference": {"target": "dev", "outputs": {"dev": {
        "type": "postgres", "host": url.hostname, "port": url.port, "user": url.username, "password": url.password or "",
        "dbname": url.path[1:], "schema": "main", "threads": 1}}}}))
    (root / "models" / "demand.sql").write_text("select * from raw.demand")
    (root / "models" / "kinds.sql").write_text("select * from raw.kinds")
    columns = {}
    for number, test in enumerate(tests):
        body = test["test"] if isinstance(test["test"], dict) else {test["test"]: {}}
        (name, arguments), = body.items()
        columns.setdefault(test["column"], []).append({name: {"name": f"case_{number}", **arguments}})
    (root / "models" / "schema.yml").write_text(json.dumps({"version": 2, "models": [
        {"name": "demand", "columns": [{"name": name, "tests": tests} for name, tests in columns.items()]}]}))
    dbt = os.path.join(os.path.dirname(sys.executable), "dbt")
    subprocess.run([dbt, "--quiet", "build", "--project-dir", folder, "--profiles-dir", folder], cwd=folder)
    results = json.loads((root / "target" / "run_results.json").read_text())["results"]

outcome = {}
for result in results:
    name = result["unique_id"].split(".")
    if name[0] == "test":
        outcome[int(name[2].removeprefix("case_"))] = result["failures"]
(here / "dbt.json").write_text(json.dumps({
    "versions": {"dbt-core": version("dbt-core"), "dbt-postgres": version("dbt-postgres")},
    "failures": [outcome[number] for number in range(len(cases))]}, indent=2) + "\n")
