"""Rows out of what a resource yields."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, List


def rows(value: Any) -> Iterator[Mapping[str, Any]]:
    """The rows of one yielded value: a mapping is one; a DataFrame or Table, a list and the like are many."""
    if isinstance(value, Mapping):
        yield value
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        yield dataclasses.asdict(value)
    elif hasattr(value, "_asdict"):  # a named tuple
        yield value._asdict()
    elif hasattr(value, "model_dump"):  # a model of pydantic
        yield value.model_dump()
    elif hasattr(value, "itertuples") and hasattr(value, "columns"):  # pandas: a missing value is NaN there
        names = distinct([str(name) for name in value.columns])
        for row in value.itertuples(index=False, name=None):
            yield dict(zip(names, map(plain, row)))
    elif hasattr(value, "iter_rows"):  # polars
        yield from value.iter_rows(named=True)
    elif hasattr(value, "to_batches"):  # Arrow
        distinct(getattr(getattr(value, "schema", None), "names", []))
        for batch in value.to_batches():
            yield from batch.to_pylist()
    elif isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        for one in value:
            yield from rows(one)
    else:
        shown = repr(value)
        shown = shown if len(shown) <= 80 else shown[:80] + "…"
        raise TypeError(f"expected a row as a mapping, or many of them, got {type(value).__name__}: {shown}")


def distinct(names: List[str]) -> List[str]:
    """The names of the columns. Raises TypeError where two are one: a row would have the later one's value only."""
    for name in names:
        if names.count(name) > 1:
            raise TypeError(f"expected columns of different names, got {names.count(name)} that are called {name!r}")
    return names


def plain(cell: Any) -> Any:
    """None for a missing value, which is not equal to itself; ``pandas.NA`` compares to nothing, and an array cell by cell."""
    if type(cell).__name__ == "NAType":
        return None
    differs = cell != cell
    return None if getattr(differs, "ndim", 0) == 0 and differs else cell
