"""Two tables of an imaginary meter, as an API would give them: day by day, the newest last."""

from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import plumbline


def readings():
    config = plumbline.config()
    first = date.fromisoformat(config["start"])
    day = date.fromisoformat(plumbline.state(str(first - timedelta(days=1)))) + timedelta(days=1)
    while day < first + timedelta(days=config["days"]):
        print("asking for", day)  # goes to the log of the worker
        yield [reading(day, hour) for hour in range(24)]
        plumbline.checkpoint(day)
        day += timedelta(days=1)


def stations():
    yield {"id": 1, "name": "Harbour", "since": date(1998, 5, 1)}
    yield {"id": 2, "name": "Hill", "since": date(2011, 9, 30)}


def reading(day, hour):
    at = datetime(day.year, day.month, day.day, hour, tzinfo=timezone.utc)
    return {"station": 1 + hour % 2, "at": at, "kwh": Decimal(day.day * 24 + hour) / 10}
