"""The announcer: tells every listener what happens, and outlives those that fail."""

from __future__ import annotations

from collections.abc import Sequence

from lab.run.events import Event, Listener, Said


class Announcer:
    """Passes events on, in order."""

    def __init__(self, listeners: Sequence[Listener]) -> None:
        self._listeners = list(listeners)

    def tell(self, event: Event) -> None:
        """Tell all listeners; one that fails is told no more."""
        for each in tuple(self._listeners):
            try:
                each(event)
            except Exception as error:
                self._listeners.remove(each)
                self.warn(f"a listener failed and hears no more: {type(error).__name__}: {error}")

    def warn(self, text: str) -> None:
        """Say something the person should know."""
        self.tell(Said("warn", text))
