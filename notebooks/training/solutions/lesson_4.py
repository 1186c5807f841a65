from datetime import timedelta

from holdings_kit.clients import broker_profile
from holdings_kit.market import freshness


def decide(snapshot_at, now, broker):
    state = freshness(snapshot_at, now=now, max_age=timedelta(hours=1))
    if state.fresh:
        return "use"
    return "fetch" if broker_profile(broker).long_lived else "import"
