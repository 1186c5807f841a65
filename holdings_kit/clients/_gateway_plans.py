"""What a Gateway client does, without doing it: requests, and what replies mean.

`GatewayClient` takes these steps one after the other, `AsyncGatewayClient` awaits them.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, cast
from urllib.parse import quote

import polars as pl

from holdings_kit.clients._brokers import broker_profile
from holdings_kit.clients._http import DEFAULTS, Call, D, Doors, Options, Plan
from holdings_kit.clients._policy import header_secret, hidden_data, hidden_json
from holdings_kit.errors import ConfigError, SignatureError, WireError, readable
from holdings_kit.market import freshness
from holdings_kit.market._freshness import Clock, utc_now
from holdings_kit.read import resolve
from holdings_kit.wire import (
    Secret,
    Transaction,
    _gateway as wire,
    gateway_refusal,
    mint_token,
    parse_transaction,
    verify_token,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from holdings_kit.market._calendar import Calendar
    from holdings_kit.market._freshness import Freshness
    from holdings_kit.schema import Loaded

GATEWAY_URL: Final = "https://gatewayapi.smallcase.com"
_NOTES: Final = 256
_TOKEN_LIFE: Final = timedelta(minutes=10)


@readable
class NewTransaction(NamedTuple):
    """An import that waits for its user: one use, five minutes.

    Attributes
    ----------
    transaction_id
        For the browser SDK, and for `GatewayClient.transaction`.
    expires_at
        UTC; ``None`` where the reply does not say.
    """

    transaction_id: str
    expires_at: datetime | None


class Snapshots(Protocol):
    """The part of `Store` that `GatewayClient.holdings` answers from."""

    def current(self, *, account_ids: Collection[str] | None = None) -> Loaded:
        """Read the current snapshot of every account, or of those named."""
        ...


@readable
class Refresh(NamedTuple):
    """What a refresh came to: newer holdings, or an import for the user to do.

    Attributes
    ----------
    loaded
        What was fetched; ``None`` where a fetch could not have helped.
    transaction
        Hand it to the browser SDK; ``None`` where the holdings are fresh.
    reason
        Why it is so.
    """

    loaded: Loaded | None
    transaction: NewTransaction | None
    reason: str


@readable
class GatewayPlans(Doors[D]):
    """Whose Gateway it is, and the plans of its calls.

    Parameters
    ----------
    gateway, api_secret, shared_secret, base_url, clock, calendar, options
        As for `GatewayClient`.
    """

    def __init__(
        self,
        *,
        gateway: str,
        api_secret: str | Secret,
        shared_secret: str | Secret,
        base_url: str = GATEWAY_URL,
        clock: Clock = utc_now,
        calendar: Calendar | None = None,
        options: Options = DEFAULTS,
    ) -> None:
        # before anything can fail: frames show variables, and this client among them
        api_secret, shared_secret = Secret(api_secret), Secret(shared_secret)
        self._gateway, self._base_url = gateway, base_url
        self._calendar, self._clock = calendar, clock
        if not gateway:
            raise ConfigError("gateway is empty; it is the name of your gateway")
        if api_secret.reveal() == shared_secret.reveal():
            raise ConfigError("api_secret and shared_secret are two different secrets")
        self._shared_secret = shared_secret
        self._open_doors(
            base_url,
            source="gateway",
            refusal=gateway_refusal,
            headers={"x-gateway-secret": header_secret("api_secret", api_secret)},
            options=options,
        )

    def __repr__(self) -> str:
        facts = f"gateway={self._gateway!r}, base_url={self._base_url!r}"
        return f"{type(self).__name__}({facts})"

    def token(self, auth_id: str | None = None) -> Secret:
        """Sign a token for the browser SDK: a guest's, or a connected user's.

        It lives ten minutes from the instant of the call. ``.reveal()`` gives the text.

        Examples
        --------
        >>> from holdings_kit import GatewayClient
        >>> client = GatewayClient(
        ...     gateway="demo",
        ...     api_secret="not-a-real-secret",
        ...     shared_secret="nor-is-this",
        ... )
        >>> client.token(), client.token().reveal().count(".")
        (Secret(hidden), 2)
        >>> client.close()
        """
        return Secret(
            mint_token(
                self._shared_secret,
                auth_id=auth_id,
                issued_at=self._clock(),
                lifetime=_TOKEN_LIFE,
            )
        )

    def auth_id(self, token: str | Secret) -> str:
        """Read the smallcaseAuthId out of a token that the browser handed over.

        Raises
        ------
        SignatureError
            Not signed with the shared secret, expired, or a guest's.

        Examples
        --------
        >>> from holdings_kit import GatewayClient
        >>> client = GatewayClient(
        ...     gateway="demo",
        ...     api_secret="not-a-real-secret",
        ...     shared_secret="nor-is-this",
        ... )
        >>> client.auth_id(client.token("64b7f0c2a1d3e4f5a6b7c8d9"))
        '64b7f0c2a1d3e4f5a6b7c8d9'
        """
        token = Secret(token)
        claims = verify_token(token, self._shared_secret, now=self._clock())
        if claims.auth_id is None:
            raise SignatureError("token: a guest's; the import is not complete")
        return claims.auth_id

    def _plan_import(
        self,
        *,
        auth_id: str | None = None,
        version: str = "v2",
        mutual_funds: bool = False,
        notes: str | None = None,
    ) -> Plan[NewTransaction]:
        if notes is not None and len(notes) > _NOTES:
            raise ConfigError(f"notes have {len(notes)} characters, {_NOTES} at most")
        wanted: dict[str, object] = {"intent": "HOLDINGS_IMPORT"}
        if _check_version(version) == "v2":
            wanted["version"] = "v2"  # v1 is asked for by saying nothing
        if mutual_funds:
            wanted["assetConfig"] = {"mfHoldings": True}
        if notes is not None:
            wanted["notes"] = notes
        call = Call(
            method="POST",
            path=f"/gateway/{quote(self._gateway, safe='')}/transaction",
            headers=self._signed(auth_id),
            content=json.dumps(wanted).encode(),
        )
        data = hidden_data((yield call))
        found, until = data.get("transactionId"), data.get("expireAt")
        if not isinstance(found, str) or not found:
            raise WireError("gateway", "/data/transactionId", "is missing")
        return NewTransaction(found, _read_zoned_instant(until))

    def _plan_transaction(
        self, transaction_id: str, *, auth_id: str | None
    ) -> Plan[Transaction]:
        call = Call(
            method="GET",
            path=f"{self._engine}/transactiondetails",
            params={"transactionId": transaction_id},
            headers=self._signed(auth_id),
        )
        hidden = hidden_json((yield call))  # frames show variables: not the body
        return parse_transaction(hidden)

    def _plan_holdings(
        self,
        auth_id: str,
        *,
        version: str,
        mutual_funds: bool,
        instruments: pl.DataFrame | None,
        max_age: timedelta | None = None,
        store: Snapshots | None = None,
    ) -> Plan[Loaded]:
        if (max_age is None) != (store is None):
            raise ConfigError("max_age and store belong together")
        if max_age is not None and store is not None:
            current = store.current
            kept = cast("Loaded", (yield lambda: current(account_ids=[auth_id])))
            state = self._state(kept, max_age)
            if state.fresh:
                return _note_answered_from_store(kept, state)
        at = self._clock()
        body = yield Call(
            method="GET",
            path=f"{self._engine}/user/holdings",
            params={
                "version": _check_version(version),
                **({"mfHoldings": "true"} if mutual_funds else {}),
            },
            headers=self._signed(auth_id),
        )

        def read() -> Loaded:
            loaded = wire.decode(
                body,
                fetched_at=at,
                source=f"gateway:{auth_id}",
                account_id=auth_id,
            )
            return resolve(loaded, instruments)

        return cast("Loaded", (yield read))

    def _plan_refresh(
        self,
        auth_id: str,
        *,
        broker: str | None,
        version: str,
        mutual_funds: bool,
        max_age: timedelta,
        instruments: pl.DataFrame | None,
        notes: str | None,
    ) -> Plan[Refresh]:
        profile = broker_profile(broker)
        if broker is not None and profile.long_lived is False:
            reason = f"{profile.name} needs a login to refresh"
            loaded = None
        else:
            loaded = yield from self._plan_holdings(
                auth_id,
                version=version,
                mutual_funds=mutual_funds,
                instruments=instruments,
            )
            state = self._state(loaded, max_age)
            if state.fresh:
                return Refresh(loaded, None, f"fresh: {_describe_age(state)}")
            reason = (
                f"not current: {_describe_age(state)}; the user has to log in again"
            )
        started = yield from self._plan_import(
            auth_id=auth_id, version=version, mutual_funds=mutual_funds, notes=notes
        )
        return Refresh(loaded, started, reason)

    def _state(self, loaded: Loaded, max_age: timedelta) -> Freshness:
        return freshness(
            cast("datetime | None", loaded.snapshots["snapshot_at"].min()),
            now=self._clock(),
            max_age=max_age,
            calendar=self._calendar,
        )

    @property
    def _engine(self) -> str:
        return f"/v1/{quote(self._gateway, safe='')}/engine"

    def _signed(self, auth_id: str | None) -> dict[str, Secret]:
        return {"x-gateway-authtoken": self.token(auth_id)}


def _check_version(version: str) -> str:
    """Give the version of the format, if it is one.

    Raises
    ------
    ConfigError
        It is neither ``v1`` nor ``v2``.
    """
    if version not in {"v1", "v2"}:
        raise ConfigError(f"version {version!r}: the formats are v1 and v2")
    return version


def _read_zoned_instant(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo else None


def _describe_age(state: Freshness) -> str:
    """Say of when a snapshot is, and how long the exchange was open since."""
    if state.snapshot_at is None:
        return "the snapshot has no instant"
    opened = f"the exchange was open for {state.open_time} since"
    return f"snapshot of {state.snapshot_at.isoformat()}, {opened} ({state.calendar})"


def _note_answered_from_store(loaded: Loaded, state: Freshness) -> Loaded:
    """Say in the snapshot's notices that the store answered."""
    notice = {
        "kind": "answered_from_store",
        "pointer": "",
        "value": _describe_age(state),
    }

    def add(text: str | None) -> str:
        known = cast("list[object]", json.loads(text)) if text else []
        return json.dumps([*known, notice], ensure_ascii=False)

    notices = [add(text) for text in loaded.snapshots["notices"]]
    column = pl.Series("notices", notices, dtype=pl.String())
    return loaded._replace(snapshots=loaded.snapshots.with_columns(column))
