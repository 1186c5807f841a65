from ._adjust import adjust as adjust
from ._calendar import (
    MUMBAI as MUMBAI,
    SPECIAL_SESSIONS as SPECIAL_SESSIONS,
    Calendar as Calendar,
    CalendarKnown as CalendarKnown,
    Published as Published,
    SpecialSession as SpecialSession,
    Weekdays as Weekdays,
    calendar_known as calendar_known,
    is_trading_day as is_trading_day,
    market_calendar as market_calendar,
    next_trading_day as next_trading_day,
    trading_days as trading_days,
)
from ._freshness import (
    Clock as Clock,
    Freshness as Freshness,
    freshness as freshness,
    require_fresh as require_fresh,
    utc_now as utc_now,
)
from ._own_prices import prices_of as prices_of
