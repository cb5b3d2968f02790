"""Rows out of what a resource yields."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any


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
        names = [str(name) for name in value.columns]
        for row in value.itertuples(index=False, name=None):
            yield {name: None if cell != cell else cell for name, cell in zip(names, map(plain, row))}
    elif hasattr(value, "iter_rows"):  # polars
        yield from value.iter_rows(named=True)
    elif hasattr(value, "to_batches"):  # Arrow
        for batch in value.to_batches():
            yield from batch.to_pylist()
    elif isinstance(value, Iterable) and not isinstance(value, (str, bytes)):
        for one in value:
            yield from rows(one)
    else:
        shown = repr(value)
        shown = shown if len(shown) <= 80 else shown[:80] + "…"
        raise TypeError(f"expected a row as a mapping, or many of them, got {type(value).__name__}: {shown}")


def plain(cell: Any) -> Any:
    """``pandas.NA`` compares to nothing, not even to itself."""
    return None if type(cell).__name__ == "NAType" else cell
