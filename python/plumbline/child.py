"""Runs one resource of a script for a worker: ``python3 -m plumbline.child <script> <function>``.

The request comes as JSON on standard input: resource, config and state. The answer goes to file descriptor 3, a line
each: an object is a row, an array a message: ``["columns", {…}]``, ``["checkpoint", …]``, ``["error", {…}]``, and last
of all ``["done"]``. What is printed is no part of it.
"""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import json
import os
import signal
import sys
import time
from typing import Any, Iterator, List

from . import _source
from ._encode import RowEncoder, encode_json
from ._failure import describe
from ._rows import rows

_FLUSH_SECONDS = 1.0


class Output:
    """Lines to the worker; it waits when the worker does."""

    def __init__(self) -> None:
        os.set_inheritable(3, False)
        self._file = open(3, "wb", buffering=1 << 16)
        self._encoder = RowEncoder()
        self._told: Any = {}
        self._flushed = time.monotonic()
        self.count = 0

    def row(self, row: Any) -> None:
        self.count += 1
        self._file.write(self._encoder.encode(row))
        if time.monotonic() - self._flushed > _FLUSH_SECONDS:
            self.flush()

    def checkpoint(self, value: Any) -> None:
        if value is None:
            raise TypeError("a checkpoint says where to go on, so it cannot be None")
        self._columns()
        self._file.write(b'["checkpoint",' + encode_json(value).encode("utf-8") + b"]\n")
        self.flush()

    def message(self, name: str, *details: Any) -> None:
        self._columns()
        self._file.write(encode_json([name, *details]).encode("utf-8", "replace") + b"\n")
        self.flush()

    def flush(self) -> None:
        self._file.flush()
        self._flushed = time.monotonic()

    def _columns(self) -> None:
        columns = self._encoder.columns()
        if columns != self._told:
            self._told = columns
            self._file.write(encode_json(["columns", columns]).encode("utf-8") + b"\n")


def main(arguments: List[str]) -> int:
    script, function = arguments
    # So that what is printed is seen while the script runs, and is there when it is killed.
    sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")
    # Whatever encoding the environment asks for: what comes is UTF-8.
    request = json.load(sys.stdin.buffer)
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
    # So that `finally` and `with` of the script run when the load is cancelled.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    root = os.getcwd()
    output = Output()
    _source.current = _source.Source(request["resource"], request["state"], request["config"], output.checkpoint)
    given: Any = None
    try:
        given = values(load(script, root), function, script)
        for value in given:
            for row in rows(value):
                output.row(row)
    except BrokenPipeError:
        return 141
    except Exception as error:
        output.message("error", {**describe(error, root, given), "row": output.count})
        return 1
    output.message("done")
    return 0


def load(script: str, root: str) -> Any:
    """The script as a module; what lies beside it and in the project's folder can be imported."""
    path = os.path.abspath(script)
    for folder in (root, os.path.dirname(path)):
        if folder in sys.path:
            sys.path.remove(folder)
        sys.path.insert(0, folder)
    name = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{script} is no Python script")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def values(module: Any, name: str, script: str) -> Iterator[Any]:
    """What the resource's function yields or returns."""
    function = getattr(module, name, None)
    if not callable(function):
        known = [key for key, one in vars(module).items() if inspect.isfunction(one) and not key.startswith("_")]
        raise LookupError(f"{script} has no function {name}; it has {', '.join(sorted(known)) or 'none'}")
    result = function()
    if inspect.isasyncgen(result):
        return _of_async(result)
    if inspect.iscoroutine(result):
        result = asyncio.run(result)
    # One value stands for itself, so that a DataFrame is not taken for its columns.
    return result if inspect.isgenerator(result) else iter([result])


def _of_async(generator: Any) -> Iterator[Any]:
    loop = asyncio.new_event_loop()
    try:
        while True:
            try:
                yield loop.run_until_complete(generator.__anext__())
            except StopAsyncIteration:
                return
    finally:
        loop.run_until_complete(generator.aclose())
        loop.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
