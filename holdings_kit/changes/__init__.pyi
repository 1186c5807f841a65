from ._bridge import (
    BRIDGE as BRIDGE,
)
from ._bridge import (
    EFFECTS as EFFECTS,
)
from ._bridge import (
    bridge as bridge,
)
from ._explain import (
    compare as compare,
)
from ._frames import (
    ACTIONS as ACTIONS,
)
from ._frames import (
    CAUSES as CAUSES,
)
from ._frames import (
    CHANGES as CHANGES,
)
from ._frames import (
    MOVES as MOVES,
)
from ._rules import (
    RULES as RULES,
)
from ._timeline import (
    SPANS as SPANS,
)
from ._timeline import (
    TIMELINE as TIMELINE,
)
from ._timeline import (
    spans as spans,
)
from ._timeline import (
    timeline as timeline,
)
