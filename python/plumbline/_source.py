"""The source that this process runs. Outside of a worker it has no state, no config, and checkpoints go nowhere."""

from __future__ import annotations

from typing import Any, Callable, Mapping


class Source:
    def __init__(
        self,
        resource: str = "",
        state: Any = None,
        config: Mapping[str, Any] = {},
        checkpoint: Callable[[Any], None] = lambda _value: None,
    ) -> None:
        self.resource = resource
        self.state = state
        self.config = config
        self.checkpoint = checkpoint


current = Source()
