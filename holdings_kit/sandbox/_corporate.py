"""Accounts to which corporate actions happen, as brokers show them.

One account has one story: its shares are merged, split off by a demerger, bought by
rights, tendered, credited late, cancelled. Brokers differ: averages follow at once,
days later or never. An account has a few other shares; of them only prices move.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from holdings_kit.sandbox._lots import (
    Lot,
    bought,
    overnight,
    round_to_paisa,
    sold,
    split,
)
from holdings_kit.sandbox._market import add_check_digit, write_base36
from holdings_kit.sandbox._payloads import (
    to_bytes,
    wrap_arrow,
    wrap_gateway,
    write_account_body,
    write_arrow_holdings,
    write_arrow_row,
    write_gateway_holdings,
    write_v1_row,
    write_v2_row,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from holdings_kit.sandbox._payloads import View

_BEGIN: Final = 2  # the session on which a story begins
_OTHERS: Final = 4  # shares of an account of which only prices move
_NO_SMALLCASES: Final[dict[str, list[object]]] = {"public": [], "private": []}
_LATE: Final = 3  # sessions until a slow broker follows


@dataclass
class Share:
    """One invented share of one account: who it is, and its price in paise."""

    symbol: str
    isin: str
    token: int
    paise: int
    quoted: bool = True


class Happening(NamedTuple):
    """What happened to a share on a session, and what a comparison should call it.

    Of Arrow and of Gateway; ``None`` where that source shows nothing.
    """

    session: int
    symbol: str
    event: str
    arrow: str | None
    gateway: str | None
    quantity: int


@dataclass
class Account:
    """One account with one story; `live` takes it from session to session."""

    number: int
    story: str
    seed: int
    lots: dict[str, Lot] = field(default_factory=dict[str, Lot])
    shares: dict[str, Share] = field(default_factory=dict[str, Share])
    happened: list[Happening] = field(default_factory=list[Happening])
    actions: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    session: int = -1

    def __post_init__(self) -> None:
        """Draw what is held at first."""
        self.draw = Random(f"{self.seed}:corporate:{self.number}")
        self.plan: dict[int, list[Callable[[], None]]] = {}
        for place in range(_OTHERS):
            symbol = f"ZHELD{self.number:02}{place}"
            self.hold(symbol, self.draw.randint(5, 200), self.draw.randint(50, 900))
        STORIES[self.story](self)

    @property
    def account_id(self) -> str:
        """Arrow's user id."""
        return f"EVT{self.number:03}"

    @property
    def auth_id(self) -> str:
        """Gateway's smallcaseAuthId."""
        return f"{self.seed & 0xFFFF:04x}{0xE0000 + self.number:020x}"

    def live(self, days: int) -> Iterator[int]:
        """Yield every session's number, the account as it stood that evening."""
        for session in range(days):
            self.session = session
            self._sleep()
            for share in self.shares.values():
                basis = Random(f"{self.seed}:{share.symbol}:{session}").randint(-90, 95)
                share.paise = max(5, share.paise * (10_000 + basis) // 50_000 * 5)
            for step in self.plan.get(session, []):
                step()
            yield session

    def _sleep(self) -> None:
        for symbol, lot in list(self.lots.items()):
            if lot.today:
                self.lots[symbol] = overnight(lot)
                arrow = "settled" if lot.t1 else None
                self.note(symbol, "settled", lot.today, arrow=arrow, gateway="settled")
            if not self.lots[symbol].owned:
                del self.lots[symbol]

    # what stories are made of

    def at(self, offset: int, step: Callable[[], None]) -> None:
        """Plan a step so many sessions after the story begins."""
        self.plan.setdefault(_BEGIN + offset, []).append(step)

    def invent_share(self, symbol: str, rupees: int, *, form: str = "01") -> Share:
        """Invent a share that is not held yet."""
        number = self.number * 20 + len(self.shares)
        isin = add_check_digit(f"INEZE{write_base36(number, 2)}{form}01")
        share = Share(symbol, isin, 700_000 + number, rupees * 100)
        self.shares[symbol] = share
        return share

    def hold(self, symbol: str, units: int, rupees: int) -> Share:
        """Hold units of a new share from before, at an average of their own."""
        share = self.invent_share(symbol, rupees)
        average = Decimal(rupees * self.draw.randint(60, 110)) / 100
        self.lots[symbol] = Lot(settled=units, average=average)
        return share

    def note(
        self,
        symbol: str,
        event: str,
        quantity: int = 0,
        *,
        arrow: str | None = "",
        gateway: str | None = "",
    ) -> None:
        """Write down what happened; the event is its cause where no other is named."""
        arrow = event if arrow == "" else arrow
        gateway = arrow if gateway == "" else gateway
        self.happened.append(
            Happening(self.session, symbol, event, arrow, gateway, quantity)
        )

    def announce(self, share: Share, kind: str, offset: int, **more: object) -> None:
        """Put a row into the actions table, by the ISIN a share has now."""
        row = {"instrument_id": share.isin, "session": _BEGIN + offset, "kind": kind}
        self.actions.append({**row, **more})

    def change(self, symbol: str, **amounts: object) -> None:
        """Change amounts of a lot that is held."""
        self.lots[symbol] = replace(self.lots[symbol], **amounts)

    def rename(self, share: Share) -> None:
        """Give a share the next ISIN of its class."""
        share.isin = _find_next_isin(share)
        share.token += 10_000

    def sell(self, share: Share, units: int) -> None:
        """Sell at the price of the session."""
        lot = self.lots[share.symbol]
        self.lots[share.symbol] = sold(lot, units, self.price_of(share))

    def price_of(self, share: Share) -> Decimal:
        """Give the price of a share in rupees."""
        return Decimal(share.paise) / 100


def _find_next_isin(share: Share) -> str:
    """Find the ISIN that the next class of a share has."""
    return add_check_digit(f"{share.isin[:9]}02")


def _merge_shares(account: Account, *, held: bool) -> None:
    source = account.hold("ZSOURCE", 33, 2700)
    target = account.invent_share("ZTARGET", 1610)
    if held:
        account.lots["ZTARGET"] = Lot(settled=21, average=Decimal("1480.35"))
    account.announce(source, "merger", 0, ratio="42:25", new_instrument_id=target.isin)

    def swap() -> None:
        gone, before = account.lots.pop("ZSOURCE"), account.lots.get("ZTARGET", Lot())
        came = gone.owned * 42 // 25
        cost = _compute_cost(gone) + _compute_cost(before)
        account.lots["ZTARGET"] = replace(
            before,
            settled=before.settled + came,
            average=round_to_paisa(cost / (before.owned + came)),
        )
        account.note("ZSOURCE", "merger", -gone.owned)
        account.note("ZTARGET", "merger", came)

    account.at(0, swap)


def _demerge(account: Account, *, credited: int, follows: int | None) -> None:
    """Give one child for five, and divide the cost, on the broker's own days."""
    parent = account.hold("ZPARENT", 100, 640)
    child = account.invent_share("ZCHILD", 600)
    after = {"new_instrument_id": child.isin, "cost_share": 0.2}
    account.announce(parent, "demerger", 0, ratio="1:5", **after)

    def leave() -> None:
        parent.paise = parent.paise * 4 // 5 // 5 * 5
        if credited:
            account.note("ZPARENT", "demerger_pending", arrow="pending_action")

    def credit() -> None:
        account.lots["ZCHILD"] = Lot(settled=20)
        account.note("ZCHILD", "demerger", 20)
        account.note("ZPARENT", "demerger")
        if follows == 0:
            divide()

    def divide() -> None:
        lot = account.lots["ZPARENT"]
        share = round_to_paisa(_compute_cost(lot) / 5 / 20)
        rest = round_to_paisa((_compute_cost(lot) - share * 20) / lot.owned)
        account.change("ZPARENT", average=rest)
        account.change("ZCHILD", average=share)
        if follows:
            account.note("ZPARENT", "average_restated")
            account.note("ZCHILD", "average_restated")

    account.at(0, leave)
    account.at(credited, credit)
    if follows:
        account.at(credited + follows, divide)


def _offer_rights(account: Account, *, taken: bool) -> None:
    share = account.hold("ZRIGHT", 150, 700)
    right = account.invent_share("ZRIGHT-RE", 190, form="20")
    account.announce(share, "rights", 0, ratio="1:15", cash_per_unit=Decimal(500))

    def give() -> None:
        account.lots[right.symbol] = Lot(settled=10)
        account.note(right.symbol, "rights", 10)

    def take() -> None:
        del account.lots[right.symbol]
        lot = account.lots["ZRIGHT"]
        average = round_to_paisa((_compute_cost(lot) + 5000) / (lot.owned + 10))
        account.change("ZRIGHT", settled=lot.settled + 10, average=average)
        account.note("ZRIGHT", "rights", 10)
        account.note(right.symbol, "rights", -10)

    def renounce() -> None:
        account.sell(right, 10)
        account.note(right.symbol, "rights_renounced", -10, arrow="closed")

    account.at(0, give)
    account.at(_LATE, take if taken else renounce)


def _buy_back(account: Account) -> None:
    share = account.hold("ZTENDER", 150, 690)
    account.announce(share, "buyback", 0, ratio="1:15", cash_per_unit=Decimal(800))

    def tender() -> None:
        settled = account.lots["ZTENDER"].settled
        account.change("ZTENDER", settled=settled - 10)
        account.note("ZTENDER", "buyback", -10)

    account.at(0, tender)


def _credit_late(account: Account, *, follows: int | None) -> None:
    """Give one for one: the price falls, shares and average come later."""
    share = account.hold("ZLATE", 80, 900)
    account.announce(share, "bonus", 0, ratio="1:1")

    def fall() -> None:
        share.paise = share.paise // 10 * 5
        account.note("ZLATE", "bonus_pending", arrow="pending_action")

    def come() -> None:
        settled = account.lots["ZLATE"].settled
        account.change("ZLATE", settled=settled * 2)
        account.note("ZLATE", "bonus", settled)

    def restate() -> None:
        lot = account.lots["ZLATE"]
        average = round_to_paisa(_compute_cost(lot) / lot.owned / 2)
        account.change("ZLATE", average=average)
        account.note("ZLATE", "average_restated")

    account.at(0, fall)
    account.at(_LATE, come)
    if follows:
        account.at(_LATE + follows, restate)


def _delist_share(account: Account) -> None:
    share = account.hold("ZEXIT", 60, 40)
    account.announce(share, "delisting", 0)

    def leave() -> None:
        share.quoted = False
        account.note("ZEXIT", "delisted")

    account.at(0, leave)


def _reduce_capital(account: Account) -> None:
    share = account.hold("ZSHRINK", 107, 6)
    after = {"new_instrument_id": _find_next_isin(share)}
    account.announce(share, "capital_reduction", 0, ratio="10:1", **after)

    def shrink() -> None:
        account.rename(share)
        share.paise *= 10
        lot = account.lots["ZSHRINK"]
        after = split(lot, 1, 10)
        account.lots["ZSHRINK"] = after
        account.note("ZSHRINK", "consolidation", after.owned - lot.owned)

    account.at(0, shrink)


def _sell_unsettled(account: Account) -> None:
    """Buy, and sell the same shares on the next session, before they settled."""
    share = account.hold("ZQUICK", 100, 300)

    def buy() -> None:
        lot, price = account.lots["ZQUICK"], account.price_of(share)
        account.lots["ZQUICK"] = bought(lot, 60, price)
        account.note("ZQUICK", "bought", 60)

    def sell() -> None:
        account.happened = [
            one
            for one in account.happened
            if (one.session, one.event) != (account.session, "settled")
        ]
        account.sell(share, 60)
        account.note("ZQUICK", "btst", -60, arrow="sold")

    account.at(0, buy)
    account.at(1, sell)


def _receive(account: Account) -> None:
    """Get shares whose cost the broker does not know for some days."""
    account.hold("ZGIFT", 100, 250)

    def come() -> None:
        settled = account.lots["ZGIFT"].settled
        account.change("ZGIFT", settled=settled + 14, average=None)
        account.note("ZGIFT", "received", 14)

    account.at(0, come)


STORIES: Final[dict[str, Callable[[Account], None]]] = {
    "merger into a held line": lambda one: _merge_shares(one, held=True),
    "merger into a new line": lambda one: _merge_shares(one, held=False),
    "demerger, averages at once": lambda one: _demerge(one, credited=0, follows=0),
    "demerger, averages late": lambda one: _demerge(one, credited=2, follows=_LATE),
    "demerger, averages never": lambda one: _demerge(one, credited=0, follows=None),
    "rights taken up": lambda one: _offer_rights(one, taken=True),
    "rights renounced": lambda one: _offer_rights(one, taken=False),
    "buyback": _buy_back,
    "bonus credited late": lambda one: _credit_late(one, follows=2),
    "bonus credited late, average never": lambda one: _credit_late(one, follows=None),
    "delisting": _delist_share,
    "capital reduction": _reduce_capital,
    "sold before it settled": _sell_unsettled,
    "received without an average": _receive,
}


def list_accounts(seed: int) -> list[Account]:
    """Give one account for every story."""
    return [Account(number, story, seed) for number, story in enumerate(STORIES)]


def write_arrow(account: Account) -> bytes:
    """Write the account as Arrow's ``GET /user/holdings``."""
    rows: list[dict[str, object]] = []
    for symbol, lot in account.lots.items():
        share = account.shares[symbol]
        if lot.owned:
            price = f"{account.price_of(share):.2f}" if share.quoted else ""
            listing = {
                "exchange": "NSE",
                "symbol": symbol,
                "tradingSymbol": f"{symbol}-EQ",
                "token": str(share.token),
                "isin": share.isin,
            }
            rows.append(
                write_arrow_row(
                    [listing],
                    settled=lot.settled,
                    t1=lot.t1,
                    pledged=lot.pledged,
                    sellable=lot.settled,
                    average="" if lot.average is None else f"{lot.average:.2f}",
                    haircut="20.00",
                    last=price,
                    close=price,
                    pnl="",
                )
            )
    return to_bytes(wrap_arrow(rows))


def write_gateway(account: Account, at: str, *, version: str = "v2") -> bytes:
    """Write the account as Gateway's holdings reply."""
    data = write_account_body(
        _write_securities(account, version),
        _NO_SMALLCASES,
        at=at,
        auth_id=account.auth_id,
        broker="kite",
    )
    return to_bytes(wrap_gateway(data))


def _write_securities(account: Account, version: str) -> object:
    """Write what is held; in format v2 the trades of today stand in positions."""
    if version != "v2":
        return {
            "holdings": [
                write_v1_row(symbol, lot.owned, _name_company(symbol), lot.average)
                for symbol, lot in account.lots.items()
                if lot.owned
            ]
        }
    rows: list[dict[str, object]] = []
    for symbol, lot in account.lots.items():
        before = lot.average_before if lot.today else lot.average
        booked = lot.owned - lot.today
        names = {
            "nse": symbol,
            "bse": None,
            "isin": account.shares[symbol].isin,
            "name": _name_company(symbol),
        }
        rows.append(
            write_v2_row(
                names,
                held=(booked, None if before is None else float(before)),
                nse=(lot.today, float(lot.today_average or 0)),
                transactable=lot.owned,
                in_smallcase=0,
                pledged=lot.pledged,
            )
        )
    return rows


def _name_company(symbol: str) -> str:
    return f"Invented {symbol.title()} Ltd"


def _see_account(view: View) -> Account:
    """Live the life of a persona up to what is seen; `life` tells the same of it."""
    story = view.persona.life or ""
    account = Account(tuple(STORIES).index(story), story, view.timeline.seed)
    for _ in account.live(view.session + 1):
        pass
    return account


def write_seen_arrow(view: View) -> bytes:
    """Write ``GET /user/holdings`` of anyone, of a corporate life too."""
    if view.persona.life is None:
        return write_arrow_holdings(view)
    return write_arrow(_see_account(view))


def write_seen_gateway(
    view: View, *, version: str, mutual_funds: bool, empty: bool, updating: bool = False
) -> dict[str, object]:
    """Write the ``data`` of a holdings reply of anyone, of a corporate life too."""
    data = write_gateway_holdings(
        view,
        version=version,
        mutual_funds=mutual_funds,
        empty=empty,
        updating=updating,
    )
    if view.persona.life is not None and not empty:
        data["securities"] = _write_securities(_see_account(view), version)
    return data


def _compute_cost(lot: Lot) -> Decimal:
    return (lot.average or Decimal()) * lot.owned
