"""A user's import at the Gateway: tokens, transactions, what became of them."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, Literal, NamedTuple
from urllib.parse import quote

from holdings_kit.clients._http import Call, Http, Session
from holdings_kit.clients._policy import hidden_data, hidden_json
from holdings_kit.errors import ConfigError, SignatureError, WireError
from holdings_kit.wire import (
    Secret,
    Transaction,
    mint_token,
    parse_transaction,
    verify_token,
)

if TYPE_CHECKING:
    from holdings_kit.market._freshness import Clock

__all__ = ["GatewayImports", "NewTransaction", "known_version"]

_NOTES: Final = 256
_TOKEN_LIFE: Final = timedelta(minutes=10)


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


class GatewayImports(Session):
    """The half of `GatewayClient` that a user takes part in.

    Parameters
    ----------
    http
        The gateway's host.
    gateway
        The gateway's name.
    shared_secret
        Signs tokens.
    clock
        Gives the instant that stamps fetches and tokens.
    """

    def __init__(
        self, http: Http, *, gateway: str, shared_secret: Secret, clock: Clock
    ) -> None:
        super().__init__(http, clock=clock)
        self._http, self._gateway = http, gateway
        self._shared_secret = shared_secret

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

    def create_import(
        self,
        *,
        auth_id: str | None = None,
        version: Literal["v1", "v2"] = "v2",
        mutual_funds: bool = False,
        notes: str | None = None,
    ) -> NewTransaction:
        """Create a holdings-import transaction for the browser SDK.

        Asked again only where it was certainly not carried out.

        Parameters
        ----------
        auth_id
            The connected user's smallcaseAuthId; ``None`` for a new user.
        version
            Of the holdings the webhook will carry.
        mutual_funds
            Also import mutual funds held at the broker.
        notes
            Up to 256 characters, returned with the holdings and in the webhook.

        Raises
        ------
        ConfigError
            Longer notes, or an unknown version.
        SourceError
            The gateway refused or failed.
        WireError
            The reply has no transaction id.

        Examples
        --------
        The user's part is played by the sandbox here:

        >>> from holdings_kit import sandbox
        >>> from holdings_kit.sandbox import gateway_client
        >>> with sandbox.serve() as sb, gateway_client(sb) as client:
        ...     started = client.create_import(notes="first")
        ...     _ = sb.play(started.transaction_id, persona="asha")
        ...     _ = sb.advance(seconds=10)
        ...     done = client.transaction(started.transaction_id)
        >>> started.transaction_id == done.transaction_id, done.status, done.broker
        (True, 'COMPLETED', 'kite')
        """
        if notes is not None and len(notes) > _NOTES:
            raise ConfigError(f"notes have {len(notes)} characters, {_NOTES} at most")
        wanted: dict[str, object] = {"intent": "HOLDINGS_IMPORT"}
        if known_version(version) == "v2":
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
        data = hidden_data(self._http.send(call))
        found, until = data.get("transactionId"), data.get("expireAt")
        if not isinstance(found, str) or not found:
            raise WireError("gateway", "/data/transactionId", "is missing")
        return NewTransaction(found, _instant(until))

    def transaction(
        self, transaction_id: str, *, auth_id: str | None = None
    ) -> Transaction:
        """Fetch what became of a transaction, in either published nesting.

        Parameters
        ----------
        transaction_id
            Of `create_import`.
        auth_id
            The connected user it belongs to; ``None`` for a guest's.

        Raises
        ------
        SourceError
            The gateway refused or failed.
        WireError
            The reply has no status.

        Examples
        --------
        >>> from holdings_kit import sandbox
        >>> from holdings_kit.sandbox import gateway_client
        >>> with sandbox.serve() as sb, gateway_client(sb) as client:
        ...     started = client.create_import()
        ...     client.transaction(started.transaction_id).status
        'INITIALIZED'
        """
        call = Call(
            method="GET",
            path=f"{self._engine}/transactiondetails",
            params={"transactionId": transaction_id},
            headers=self._signed(auth_id),
        )
        hidden = hidden_json(self._http.send(call))
        return parse_transaction(hidden)

    @property
    def _engine(self) -> str:
        return f"/v1/{quote(self._gateway, safe='')}/engine"

    def _signed(self, auth_id: str | None) -> dict[str, Secret]:
        return {"x-gateway-authtoken": self.token(auth_id)}


def known_version(version: str) -> str:
    """Give the version of the format, if it is one.

    Raises
    ------
    ConfigError
        It is neither ``v1`` nor ``v2``.
    """
    if version not in {"v1", "v2"}:
        raise ConfigError(f"version {version!r}: the formats are v1 and v2")
    return version


def _instant(value: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo else None
