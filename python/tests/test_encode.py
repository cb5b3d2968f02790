import enum
import json
import random
import unittest
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from types import MappingProxyType
from uuid import UUID

from plumbline._encode import RowEncoder, encode_json


class Pandas:
    """What a missing value of pandas is like."""

    class NAType:
        pass


class Int64:
    ndim = 0

    def item(self):
        return 7


class Array:
    ndim = 1

    def item(self):
        raise ValueError("an array has many")

    def tolist(self):
        return [1.5, 2]


class Datetime64:
    """What a time of numpy is like, and an array of two."""

    def __init__(self, *nanoseconds):
        self._nanoseconds = nanoseconds
        self.ndim = len(nanoseconds) - 1
        self.dtype = type("dtype", (), {"kind": "M"})

    def astype(self, unit):
        assert unit == "datetime64[us]"
        return type("Microseconds", (), {"item": lambda _: None if self._nanoseconds[0] is None else datetime(2024, 1, 1)})()

    def item(self):
        return self._nanoseconds[0]

    def __iter__(self):
        return map(Datetime64, self._nanoseconds)


class Colour(enum.Enum):
    RED = "red"


class EncodeTest(unittest.TestCase):
    def test_times_of_numpy(self):
        lines, columns = self.encode({"at": Datetime64(0), "many": [1]}, {"at": Datetime64(None), "many": Datetime64(0, 0)})
        self.assertEqual(lines[0], '{"at":"2024-01-01T00:00:00","many":[1]}\n')
        self.assertEqual(lines[1], '{"at":null,"many":["2024-01-01T00:00:00","2024-01-01T00:00:00"]}\n')
        self.assertEqual(columns, {"at": "timestamp", "many": "jsonb"})

    def test_keys_that_are_written_alike(self):
        with self.assertRaisesRegex(TypeError, "key '1': the row has two"):
            self.encode({1: "a", "1": "b"})

    def test_rows_of_any_mapping(self):
        rows = [MappingProxyType({"id": id, "note": "a"}) for id in (1, 2**60)]
        lines, columns = self.encode({"id": 0, "note": "a"}, *rows)
        self.assertEqual(lines[1:], ['{"id":1,"note":"a"}\n', '{"id":1152921504606846976,"note":"a"}\n'])
        self.assertEqual(columns, {"id": "bigint", "note": None})

    def encode(self, *rows):
        encoder = RowEncoder()
        return [encoder.encode(row).decode() for row in rows], encoder.columns()

    def test_values(self):
        plus = timezone(timedelta(hours=1))
        mean = timezone(timedelta(minutes=19, seconds=32))  # Amsterdam before 1937
        cases = [
            (None, "null", {}),
            (Decimal("1E+3"), "1000", {"x": "numeric"}),
            (Decimal("-0.10"), "-0.10", {"x": "numeric"}),
            (Decimal("Infinity"), '"Infinity"', {"x": "numeric"}),
            (float("nan"), '"NaN"', {"x": "double precision"}),
            (1e22, "1e+22", {"x": "double precision"}),
            (2**53, "9007199254740992", {"x": "bigint"}),
            (2**63, "9223372036854775808", {"x": "numeric"}),
            (True, "true", {"x": "boolean"}),
            (datetime(2024, 1, 2, 3, 4, 5, 678, plus), '"2024-01-02T03:04:05.000678+01:00"', {"x": "timestamptz"}),
            (datetime(1900, 1, 1, tzinfo=mean), '"1899-12-31T23:40:28+00:00"', {"x": "timestamptz"}),
            (datetime(2024, 1, 2), '"2024-01-02T00:00:00"', {"x": "timestamp"}),
            (date(2024, 1, 2), '"2024-01-02"', {"x": "date"}),
            (time(1, 2, 3), '"01:02:03"', {"x": "time"}),
            (b"\x00\xff", '"\\\\x00ff"', {"x": "bytea"}),
            (UUID(int=1), '"00000000-0000-0000-0000-000000000001"', {"x": "uuid"}),
            ({"a": [Decimal("0.10"), float("nan"), None]}, '{"a":[0.10,"NaN",null]}', {"x": "jsonb"}),
            (Colour.RED, '"red"', {"x": None}),
            (Int64(), "7", {"x": "bigint"}),
            (Array(), "[1.5,2]", {"x": "jsonb"}),
            (Pandas.NAType(), "null", {}),
        ]
        for value, source, columns in cases:
            with self.subTest(value=value):
                lines, found = self.encode({"x": value})
                self.assertEqual(lines, ['{"x":' + source + "}\n"])
                self.assertEqual(found, columns)

    def test_types_of_many_values(self):
        for values, expected in [
            ([1, 2.5], "double precision"),
            ([2**60, 2.5], "numeric"),
            ([1, Decimal(2)], "numeric"),
            ([1, 2**60, 3], "bigint"),
            ([1, 2**70], "numeric"),
            ([date(2024, 1, 1), datetime(2024, 1, 1)], "timestamp"),
            ([datetime(2024, 1, 1), datetime(2024, 1, 1, tzinfo=timezone.utc)], None),
            ([1, True], None),
            ([1, "1"], None),
            ([1, None], "bigint"),
        ]:
            with self.subTest(values=values):
                self.assertEqual(self.encode(*({"x": value} for value in values))[1], {"x": expected})

    def test_a_value_that_no_column_holds(self):
        loop = []
        loop.append(loop)
        for value, message in [(object(), "got object"), (loop, "recursion")]:
            with self.assertRaisesRegex(TypeError, f"key 'x': .*{message}"):
                RowEncoder().encode({"x": value})

    def test_every_row_reads_back(self):
        seed = random.randrange(2**32)
        random.seed(seed)
        encoder = RowEncoder()
        makers = [
            lambda: None,
            lambda: random.choice([True, False]),
            lambda: random.randrange(-(2 ** random.randrange(1, 80)), 2**80),
            lambda: random.uniform(-1, 1) * 10.0 ** random.randrange(-300, 300),
            lambda: "".join(chr(random.choice([9, 10, 34, 92, 0x7F, 0xE9, 0x2028, 0x1F600])) for _ in range(5)),
        ]
        for _ in range(2_000):
            row = {key: random.choice(makers)() for key in "abc"}
            line = encoder.encode(row)
            self.assertEqual(json.loads(line), row, f"seed {seed}")
            self.assertEqual(line.count(b"\n"), 1)

    def test_a_checkpoint_keeps_every_digit(self):
        self.assertEqual(encode_json({"id": 2**53 + 1, "at": date(2024, 1, 1)}), '{"id":9007199254740993,"at":"2024-01-01"}')


if __name__ == "__main__":
    unittest.main()
