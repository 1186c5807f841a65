"""A trait for results: frames are told apart by identity, never compared."""

from __future__ import annotations

from typing import Any

from traitlets import HasTraits, TraitType

__all__ = ["Held"]


class Held(TraitType[Any, Any]):
    """Hold any object, ``None`` at first; every assignment is a change."""

    default_value = None
    allow_none = True

    def set(self, obj: HasTraits, value: Any) -> None:
        """Keep the value and tell observers, without asking whether it is equal."""
        name = str(self.name)
        old = obj._trait_values.get(name)  # noqa: SLF001
        obj._trait_values[name] = value  # noqa: SLF001
        obj._notify_trait(name, old, value)  # noqa: SLF001
