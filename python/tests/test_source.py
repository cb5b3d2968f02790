import dataclasses
import unittest
import urllib.error
from collections import namedtuple

import plumbline
from plumbline._failure import describe, is_transient
from plumbline._rows import rows
from plumbline.child import values


class Response:
    def __init__(self, status_code):
        self.status_code = status_code


class HTTPError(OSError):
    """As `requests` has it."""

    def __init__(self, status):
        self.response = Response(status)


class ConnectTimeout(Exception):
    """As `httpx` has it."""


class RowsTest(unittest.TestCase):
    def test_what_can_be_yielded(self):
        Point = namedtuple("Point", "x")

        @dataclasses.dataclass
        class Item:
            x: int

        class Model:
            def model_dump(self):
                return {"x": 5}

        class Polars:
            def iter_rows(self, named):
                return iter([{"x": 6}])

        class Batch:
            def to_pylist(self):
                return [{"x": 7}]

        class Arrow:
            def to_batches(self):
                return [Batch()]

        value = [{"x": 1}, ({"x": 2} for _ in range(1)), Point(3), Item(4), Model(), Polars(), Arrow()]
        self.assertEqual([row["x"] for row in rows(value)], [1, 2, 3, 4, 5, 6, 7])

        class Array:  # numpy's is compared cell by cell
            def __ne__(self, other):
                return type("Bools", (), {"ndim": 1, "__bool__": None})()

        class Frame:
            def __init__(self, *columns):
                self.columns = columns

            def itertuples(self, index, name):
                return iter([(array, float("nan"))])

        array = Array()
        self.assertEqual(list(rows(Frame("x", "y"))), [{"x": array, "y": None}])
        with self.assertRaisesRegex(TypeError, "different names, got 2 that are called 'x'"):
            list(rows(Frame("x", "x")))
        for wrong in (5, "text", None):
            with self.assertRaisesRegex(TypeError, "expected a row as a mapping"):
                list(rows(wrong))

    def test_what_a_function_may_be(self):
        class Module:
            @staticmethod
            def returns():
                return [{"x": 1}]

            @staticmethod
            async def waits():
                return {"x": 2}

            @staticmethod
            async def yields():
                yield {"x": 3}

        for name, expected in [("returns", [[{"x": 1}]]), ("waits", [{"x": 2}]), ("yields", [{"x": 3}])]:
            self.assertEqual(list(values(Module, name, "m.py")), expected)
        with self.assertRaisesRegex(LookupError, "m.py has no function missing"):
            values(Module, "missing", "m.py")


class FailureTest(unittest.TestCase):
    def test_what_may_pass(self):
        for error, expected in [
            (KeyError("x"), False),
            (FileNotFoundError("x"), False),
            (ConnectionResetError(), True),
            (TimeoutError(), True),
            (ConnectTimeout(), True),
            (HTTPError(404), False),
            (HTTPError(429), True),
            (HTTPError(503), True),
            (urllib.error.HTTPError("u", 500, "", None, None), True),
            (urllib.error.HTTPError("u", 403, "", None, None), False),
            (urllib.error.URLError(OSError("no route")), True),
            (plumbline.Retry("later"), True),
        ]:
            with self.subTest(error=error):
                self.assertEqual(is_transient(error), expected)

    def test_a_syntax_error_has_its_place(self):
        try:
            compile("def f(:", "/project/sources/a.py", "exec")
        except SyntaxError as error:
            frames = describe(error, "/project")["frames"]
            self.assertEqual((frames[0]["file"], frames[0]["line"]), ("sources/a.py", 1))


class OutsideTest(unittest.TestCase):
    def test_a_script_runs_without_a_worker(self):
        self.assertEqual(plumbline.state(5), 5)
        self.assertEqual(dict(plumbline.config()), {})
        plumbline.checkpoint(1)


if __name__ == "__main__":
    unittest.main()
