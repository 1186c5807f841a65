from ._calendar import MUMBAI as MUMBAI
from ._calendar import market_calendar as market_calendar
from ._freshness import freshness as freshness
from ._freshness import require_fresh as require_fresh
