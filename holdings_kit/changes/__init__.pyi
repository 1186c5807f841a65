from ._actions import ACTIONS as ACTIONS
from ._bridge import (
    BRIDGE as BRIDGE,
    EFFECTS as EFFECTS,
    bridge as bridge,
)
from ._explain import (
    compare as compare,
)
from ._frames import CHANGES as CHANGES, MOVES as MOVES
from ._rules import (
    CAUSES as CAUSES,
    RULES as RULES,
)
from ._timeline import (
    SPANS as SPANS,
    TIMELINE as TIMELINE,
    spans as spans,
    timeline as timeline,
)
