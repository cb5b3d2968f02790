"""What is told of an exception of the user's code."""

from __future__ import annotations

import os
import traceback
from types import TracebackType
from typing import Any, Dict, List, Optional

_TRANSIENT_STATUS = frozenset([408, 425, 429])
_TRANSIENT_NAMES = ("Timeout", "TimeoutError", "TimeoutException", "ConnectionError", "ConnectError", "TransportError")
_OWN_FOLDER = os.path.dirname(os.path.abspath(__file__))


def describe(error: BaseException, root: str, given: Any = None) -> Dict[str, Any]:
    """Type, message, whether a retry may help, and where in the user's files it was raised, innermost last.

    :param given: the generator of the rows: where it waits is where it yielded what was refused
    """
    frames = _frames(error.__traceback__, error, root) or _waiting(given, root)
    told: Dict[str, Any] = {"type": type(error).__name__, "message": str(error)[:4000], "frames": frames[-10:]}
    retry = is_transient(error)
    if retry:
        told["retry"] = True
    after = getattr(error, "after", None)
    if retry and isinstance(after, (int, float)) and after >= 0:
        told["after"] = after
    return told


def is_transient(error: BaseException) -> bool:
    """A lost connection, a time-out, a server that is busy; not a bug, a missing file or a request that was refused."""
    from . import Retry

    if isinstance(error, Retry):
        return True
    status = getattr(error, "code", None) or getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(status, int) and not isinstance(status, bool) and 400 <= status < 600:
        return status >= 500 or status in _TRANSIENT_STATUS
    names = [one.__name__ for one in type(error).__mro__]
    if any(name.endswith(_TRANSIENT_NAMES) for name in names):
        return True
    reason = getattr(error, "reason", None)
    return "URLError" in names and isinstance(reason, OSError) and not isinstance(reason, FileNotFoundError)


def _frames(trace: Optional[TracebackType], error: BaseException, root: str) -> List[Dict[str, Any]]:
    frames = []
    if isinstance(error, SyntaxError) and error.filename is not None:
        frames.append({"file": _shown(error.filename, root), "line": error.lineno, "code": (error.text or "").strip()})
        return frames
    for frame in traceback.extract_tb(trace):
        path = os.path.abspath(frame.filename)
        if path.startswith(root + os.sep) and not path.startswith(_OWN_FOLDER + os.sep):
            frames.append(
                {"file": _shown(path, root), "line": frame.lineno, "function": frame.name, "code": frame.line or ""}
            )
    return frames


def _waiting(given: Any, root: str) -> List[Dict[str, Any]]:
    frame = getattr(given, "gi_frame", None)
    if frame is None:
        return []
    return [{"file": _shown(frame.f_code.co_filename, root), "line": frame.f_lineno, "function": frame.f_code.co_name}]


def _shown(path: str, root: str) -> str:
    path = os.path.abspath(path)
    return os.path.relpath(path, root).replace(os.sep, "/") if path.startswith(root + os.sep) else path
