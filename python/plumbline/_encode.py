"""Rows as JSON that loses nothing, with the PostgreSQL types that their values have."""

from __future__ import annotations

import datetime
import decimal
import enum
import json
import math
import uuid
from collections.abc import Mapping
from typing import Any, Dict, List, Optional, Set

_text = json.encoder.encode_basestring
_fast = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_FAST_TYPES = frozenset([str, int, float, bool, type(None)])
_BIGINT = 2**63
_DOUBLE = 2**53


class RowEncoder:
    """Writes rows as lines of JSON and remembers what types each column has had."""

    def __init__(self) -> None:
        self._kinds: Dict[str, Set[str]] = {}
        # Rows of one shape come one after the other: what is known of it is looked up once.
        self._whole: Dict[Any, List[str]] = {}

    def encode(self, row: Mapping[str, Any]) -> bytes:
        """One line. Raises TypeError, with the key, for a value that no column can hold."""
        shape = (type(row), tuple(row), tuple(map(type, row.values())))
        whole = self._whole.get(shape)
        if whole is not None:
            try:
                line = _fast(row)
            except ValueError:  # NaN or infinity
                line = self._slow(row)
            else:
                for key in whole:
                    if not -_DOUBLE <= row[key] <= _DOUBLE:
                        self._kinds[key].add(_int_kind(row[key]))
        else:
            line = self._slow(row)
            if isinstance(row, dict) and _FAST_TYPES.issuperset(shape[2]) and all(type(key) is str for key in row):
                self._whole[shape] = [key for key, value in row.items() if type(value) is int]
        return line.encode("utf-8", "surrogatepass") + b"\n"

    def columns(self) -> Dict[str, Optional[str]]:
        """The type of each column; None where its values are texts, or have no type in common."""
        return {key: _common(kinds) for key, kinds in self._kinds.items() if kinds}

    def _slow(self, row: Mapping[str, Any]) -> str:
        members = []
        names: Set[str] = set()
        for key, value in row.items():
            name = str(key)
            if name in names:
                raise TypeError(f"key {name!r}: the row has two that are written so")
            names.add(name)
            kinds = self._kinds.setdefault(name, set())
            try:
                kind, source = _value(value)
            except (TypeError, ValueError, RecursionError) as error:
                raise TypeError(f"key {name!r}: {error}") from None
            if kind is not None:
                kinds.add(kind)
            members.append(_text(name) + ":" + source)
        return "{" + ",".join(members) + "}"


def encode_json(value: Any) -> str:
    """Any JSON, with every digit; times, dates and the like as text."""
    return _value(value)[1]


def _value(value: Any) -> "tuple[Optional[str], str]":
    """Kind and JSON of one value; no kind for a missing one."""
    if value is None:
        return None, "null"
    if isinstance(value, enum.Enum):
        return _value(value.value)
    if isinstance(value, str):
        return "text", _text(value)
    if isinstance(value, bool):
        return "boolean", "true" if value else "false"
    if isinstance(value, int):
        return _int_kind(value), int.__repr__(value)
    if isinstance(value, float):
        return "double precision", _float(value)
    if isinstance(value, decimal.Decimal):
        return "numeric", _decimal(value)
    if isinstance(value, datetime.datetime):
        return _datetime(value)
    if isinstance(value, datetime.date):
        return "date", f'"{value.isoformat()}"'
    if isinstance(value, datetime.time):
        return "time", f'"{value.replace(tzinfo=None).isoformat()}"'
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "bytea", f'"\\\\x{bytes(value).hex()}"'
    if isinstance(value, uuid.UUID):
        return "uuid", f'"{value}"'
    if isinstance(value, Mapping):
        members = (_text(str(key)) + ":" + _value(one)[1] for key, one in value.items())
        return "jsonb", "{" + ",".join(members) + "}"
    if isinstance(value, (list, tuple, set, frozenset)):
        return "jsonb", "[" + ",".join(_value(one)[1] for one in value) + "]"
    if type(value).__name__ == "NAType":  # pandas
        return None, "null"
    kind = getattr(getattr(value, "dtype", None), "kind", None)
    if kind == "M":
        return _numpy_time(value)
    for convert in ("item", "tolist") if kind != "m" else ():  # a scalar, an array of numpy
        method = getattr(value, convert, None)
        if callable(method) and getattr(value, "ndim", 0) == (0 if convert == "item" else value.ndim):
            return _value(method())
    raise TypeError(
        f"got {type(value).__name__}, expected str, int, float, bool, Decimal, datetime, date, time, bytes, UUID, "
        "a list or a mapping"
    )


def _numpy_time(value: Any) -> "tuple[Optional[str], str]":
    """A time of numpy, or an array of them: of nanoseconds numpy itself would make a whole number."""
    if value.ndim > 0:
        return "jsonb", "[" + ",".join(_value(one)[1] for one in value) + "]"
    time = value.item()
    if isinstance(time, int):
        time = value.astype("datetime64[us]").item()
    if isinstance(time, int):
        raise TypeError(f"got {value}, expected a time of the years 1 to 9999")
    return _value(time)


def _int_kind(value: int) -> str:
    if -_DOUBLE <= value <= _DOUBLE:
        return "small"
    return "bigint" if -_BIGINT <= value < _BIGINT else "numeric"


def _float(value: float) -> str:
    if math.isfinite(value):
        return float.__repr__(value)
    return '"NaN"' if math.isnan(value) else '"Infinity"' if value > 0 else '"-Infinity"'


def _decimal(value: decimal.Decimal) -> str:
    if value.is_finite():
        return format(value, "f")
    return '"NaN"' if value.is_nan() else '"Infinity"' if value > 0 else '"-Infinity"'


def _datetime(value: datetime.datetime) -> "tuple[Optional[str], str]":
    if value != value:  # NaT of pandas
        return None, "null"
    offset = value.utcoffset()
    if offset is None:
        return "timestamp", f'"{_microseconds(value)}"'
    if offset.seconds % 60 != 0 or offset.microseconds != 0:  # local mean time, before there were zones
        value = value.astimezone(datetime.timezone.utc)
    return "timestamptz", f'"{_microseconds(value)}"'


def _microseconds(value: datetime.datetime) -> str:
    """A Timestamp of pandas has nanoseconds, PostgreSQL has not."""
    return value.isoformat(timespec="microseconds" if value.microsecond else "seconds")


_COMMON = (
    ({"small", "bigint"}, "bigint"),
    ({"small", "double precision"}, "double precision"),
    ({"small", "bigint", "double precision", "numeric"}, "numeric"),
    ({"date", "timestamp"}, "timestamp"),
)


def _common(kinds: Set[str]) -> Optional[str]:
    if len(kinds) == 1 and kinds.isdisjoint(("small", "text")):
        return next(iter(kinds))
    return next((kind for group, kind in _COMMON if kinds <= group), None)
