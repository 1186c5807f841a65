"""Import holdings by clicking: the Gateway's browser flow, or an Arrow token."""

from widgets.importing.door import Arrow, Gateway
from widgets.importing.model import ImportModel
from widgets.importing.view import ImportTrigger

__all__ = ["Arrow", "Gateway", "ImportModel", "ImportTrigger"]
