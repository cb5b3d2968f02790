"""What a script that is a source of plumbline imports.

A resource is a function of its name that yields rows, each a mapping, or many at once: a list, a DataFrame::

    import plumbline

    def issues():
        since = plumbline.state("2024-01-01")
        for page in fetch(since, token=plumbline.config()["token"]):
            yield page
            plumbline.checkpoint(page[-1]["updated_at"])

A checkpoint stands for all rows yielded before it. The next load goes on there, and so does a load that was killed.
"""

from __future__ import annotations

from typing import Any, Mapping, Optional

from . import _source

__all__ = ["Retry", "checkpoint", "config", "resource", "state"]


class Retry(Exception):
    """Raise it for a fault that passes: the load is tried again and goes on from the last checkpoint.

    :param message: what failed, for the log
    :param after: seconds to wait, such as what a server asks for
    """

    def __init__(self, message: str, *, after: Optional[float] = None) -> None:
        super().__init__(message)
        self.after = after


def state(default: Any = None) -> Any:
    """The last checkpoint of this resource; ``default`` before its first load and when all is asked for.

    Its form is JSON's: what was a ``datetime`` is text in ISO form.
    """
    return default if _source.current.state is None else _source.current.state


def checkpoint(value: Any) -> None:
    """Say where to go on from, after all rows that it stands for were yielded: any JSON of at most 64 KiB, not None."""
    _source.current.checkpoint(value)


def config() -> Mapping[str, Any]:
    """``config`` of the source in plumbline.yaml; ``env:NAME`` and ``file:path`` are the secrets they name."""
    return _source.current.config


def resource() -> str:
    """The name of the resource that is asked for."""
    return _source.current.resource
