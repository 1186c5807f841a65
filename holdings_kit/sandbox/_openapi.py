"""Both contracts as OpenAPI 3.1, and a page to browse them: nothing from elsewhere.

Beside every field stands on whose word it is: ``x-trust`` is ``documented``, ``client``
(an official client or SDK), ``partner`` (seen at partners), or ``invented``. Without it
a field is documented.
"""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING, Final, TypeAlias, cast

from starlette.routing import Route

from holdings_kit.sandbox._candles import INTERVALS
from holdings_kit.sandbox._personas import BROKERS
from holdings_kit.sandbox._render import html_reply, render_document
from holdings_kit.sandbox._replies import ARROW_CODES, json_reply, world_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

__all__ = ["describe_contracts", "routes"]

Schema: TypeAlias = "Mapping[str, object]"

_TEXT: Final[Schema] = {"type": "string"}
_WHOLE: Final[Schema] = {"type": "integer"}
_NUMBER: Final[Schema] = {"type": "number"}
_FLAG: Final[Schema] = {"type": "boolean"}
_INSTANT: Final[Schema] = {"type": "string", "format": "date-time"}
_TICKER: Final[Schema] = {"type": ["string", "null"]}
_DIGITS: Final[Schema] = {"type": "string", "pattern": "^[0-9]{1,9}$"}
_ARROW_NUMBER: Final[Schema] = {
    "type": "string",
    "pattern": r"^(-?[0-9]+(\.[0-9]+)?)?$",
    "description": "A number as text; empty is unknown.",
}


def routes() -> list[Route]:
    """List the routes of the description."""
    return [
        Route("/openapi.json", _answer_document),
        Route("/docs", _show_document),
    ]


async def _answer_document(request: Request) -> Response:
    return json_reply(describe_contracts(world_of(request).credentials.gateway))


async def _show_document(request: Request) -> Response:
    document = describe_contracts(world_of(request).credentials.gateway)
    return html_reply(_render_contracts(document))


def describe_contracts(gateway: str = "sandboxgateway") -> dict[str, object]:
    """Describe both APIs as OpenAPI 3.1: paths, webhooks, schemas and errors.

    Parameters
    ----------
    gateway
        The one gateway name that is answered.
    """
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Holdings: the Gateway and Arrow, simulated",
            "version": "0.2.0",
            "description": "What the sandbox answers. docs/contract.md holds it "
            "against what is published, field by field.",
        },
        "tags": [{"name": "Gateway"}, {"name": "Arrow"}],
        "paths": {**_gateway_paths(gateway), **_arrow_paths()},
        "webhooks": {
            "holdingsImport": {
                "post": {
                    "summary": "An import has completed",
                    "description": "checksum is the hex HMAC-SHA256 of timestamp + "
                    "smallcaseAuthId with the API secret; it does not cover the "
                    "holdings. Retried after 15 minutes, 24 and 48 hours.",
                    "requestBody": _body(_ref("HoldingsWebhook")),
                    "responses": {"2XX": {"description": "Received"}},
                }
            },
            "fundImport": {
                "post": {
                    "summary": "An import of mutual funds has completed",
                    "description": "checksum covers timestamp + transactionId.",
                    "requestBody": _body(_ref("FundImportWebhook")),
                    "responses": {"2XX": {"description": "Received"}},
                }
            },
        },
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {
                "gatewaySecret": _header_key("x-gateway-secret"),
                "gatewayToken": _header_key("x-gateway-authtoken"),
                "appID": _header_key("appID"),
                "token": _header_key("token"),
            },
        },
    }


def _gateway_paths(gateway: str) -> dict[str, object]:
    name = {
        "name": "gateway",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "enum": [gateway]},
    }
    version = _query("version", {"type": "string", "enum": ["v1", "v2"]})
    funds = _query("mfHoldings", {"type": "string", "enum": ["true", "false"]})
    transaction = _query("transactionId", _TEXT, required=True)
    fetch = _gateway_call(
        "Fetch the holdings of a connected user",
        _ref("GatewayHoldings"),
        parameters=[name, version, funds],
        refusals=(400, 401, 403),
    )
    return {
        "/gateway/{gateway}/transaction": {
            "post": _gateway_call(
                "Create a transaction: five minutes, one use",
                _ref("NewTransaction"),
                parameters=[name],
                body=_ref("CreateTransaction"),
                refusals=(400, 401),
            )
        },
        "/v1/{gateway}/engine/transactiondetails": {
            "get": _gateway_call(
                "Read a transaction",
                {"anyOf": [_ref("NestedDetails"), _ref("TransactionDetails")]},
                parameters=[name, transaction],
                refusals=(400, 401, 403),
            )
        },
        "/v1/{gateway}/engine/user/holdings": {"get": fetch},
        "/gateway/mf/getOtp": {
            "post": _gateway_call(
                "Mutual funds: name the investor, an OTP is sent",
                _object({"transactionId": _TEXT, "message": _TEXT}),
                parameters=[],
                body=_ref("AskOtp"),
                refusals=(400, 401, 422, 429),
            )
        },
        "/gateway/mf/verifyOtp": {
            "post": _gateway_call(
                "Mutual funds: give the OTP; the import completes",
                _object({"transactionId": _TEXT, "status": _TEXT}),
                parameters=[],
                body=_ref("VerifyOtp"),
                refusals=(400, 401, 406, 429),
            )
        },
        "/gateway/{gateway}/user/holdings": {
            "get": {**fetch, "deprecated": True, "x-trust": "partner"}
        },
    }


def _arrow_paths() -> dict[str, object]:
    mode = _path("mode", {"type": "string", "enum": ["ltp", "ohlcv", "full"]})
    quote = {"anyOf": [_ref("Ltp"), _ref("Ohlcv"), _ref("FullQuote")]}
    asked = _ref("QuoteRequest")
    exchange = {"type": "string", "enum": ["nse", "bse", "NSE", "BSE"]}
    candle = [
        _path("exchange", exchange),
        _path("token", _DIGITS),
        _path("interval", {"type": "string", "enum": list(INTERVALS)}),
        _query("from", _TEXT, required=True),
        _query("to", _TEXT, required=True),
        _query("oi", {"type": "integer", "enum": [0, 1]}),
    ]
    candles = _arrow_call(
        "Price history: [begins at, open, high, low, close, volume], in paise",
        None,
        parameters=candle,
        refusals=(400, 401, 404, 422, 429),
    )
    cast("dict[str, object]", candles["responses"])["200"] = _json(_ref("Candles"))
    answers: dict[str, Schema] = {
        "200": {
            "description": "CSV",
            "content": {"application/octet-stream": {"schema": _TEXT}},
        },
        **_arrow_refusals((401, 429)),
    }
    key: dict[str, list[str]] = {"appID": [], "token": []}
    csv: Schema = {
        "get": {
            "tags": ["Arrow"],
            "summary": "Instruments as CSV",
            "security": [key],
            "responses": answers,
        }
    }
    return {
        "/auth/app/authenticate-token": {
            "post": _arrow_call(
                "Trade a request token for a session; checkSum is SHA-256 of "
                "appID:appSecret:request-token",
                _ref("Session"),
                body=_ref("Authenticate"),
                refusals=(400, 401, 429),
                secured=False,
            )
        },
        "/auth/app/login": {
            "post": _arrow_call(
                "Log in by password",
                _object({"requestId": _TEXT}),
                body=_ref("PasswordLogin"),
                refusals=(400, 401, 429),
                secured=False,
            )
        },
        "/auth/validate-2fa": {
            "post": _arrow_call(
                "Give the TOTP code",
                _object({"redirectUrl": {"type": "string", "format": "uri"}}),
                body=_ref("SecondFactor"),
                refusals=(400, 401, 429),
                secured=False,
            )
        },
        "/user/holdings": {"get": _arrow_call("Holdings", _list(_ref("ArrowHolding")))},
        "/user/limits": {"get": _arrow_call("Cash and margin", _ref("Limits"))},
        "/user/details": {"get": _arrow_call("Who the user is", _ref("User"))},
        "/info/holidays": {"get": _arrow_call("Trading holidays", _ref("Holidays"))},
        "/info/quote/{mode}": {
            "post": _arrow_call(
                "The quote of one instrument, in paise",
                quote,
                parameters=[mode],
                body=asked,
                refusals=(400, 401, 404, 429),
            )
        },
        "/info/quotes/{mode}": {
            "post": _arrow_call(
                "Quotes of at most 100 instruments, in any order, in paise",
                _list(quote),
                parameters=[mode],
                body={**_list(asked), "maxItems": 100},
                refusals=(400, 401, 429),
            )
        },
        "/candle/{exchange}/{token}/{interval}": {"get": candles},
        **{f"/{name}": csv for name in ("all", "nse", "bse", "mcx")},
    }


def _schemas() -> dict[str, Schema]:
    return {**_gateway_schemas(), **_arrow_schemas()}


def _gateway_schemas() -> dict[str, Schema]:
    quantity = {"type": ["integer", "null"]}
    price = {"type": ["number", "null"], "description": "null is unknown, never 0"}
    position = _object({"quantity": quantity, "averagePrice": price})
    account: dict[str, Schema] = {
        "securities": {"anyOf": [_list(_ref("SecurityV2")), _ref("SecuritiesV1")]},
        "smallcases": _ref("Smallcases"),
        "lastUpdate": _INSTANT,
        "snapshotDate": _INSTANT,
        "smallcaseAuthId": {"type": "string", "pattern": "^[0-9a-f]{24}$"},
        "broker": {"type": "string", "description": f"{', '.join(BROKERS)} and more"},
    }
    funds = {"mutualFunds": _object({"holdings": _list(_ref("MutualFund"))})}
    transaction = {"type": "string", "pattern": "^TRX_[0-9a-f]{32}$"}
    statuses = (
        "INITIALIZED USED PROCESSING ACTION_REQUIRED ERRORED COMPLETED CANCELLED "
        "EXPIRED"
    )
    basket = _object(
        {
            "scid": _TEXT,
            "name": _TEXT,
            "imageUrl": _TEXT,
            "stats": _ref("Stats"),
            "constituents": _list(_object({"ticker": _TEXT, "shares": _NUMBER})),
        },
        {"shortDescription": _TEXT},
    )
    return {
        "GatewayError": _object(
            {
                "success": {"const": False},
                "errors": _list(_TEXT),
                "data": {"type": "null"},
            },
            trust="partner",
        ),
        "CreateTransaction": _object(
            {
                "intent": {
                    "type": "string",
                    "enum": ["HOLDINGS_IMPORT", "MF_HOLDINGS_IMPORT"],
                }
            },
            {
                "version": {"type": "string", "enum": ["v1", "v2"]},
                "assetConfig": _object(
                    {},
                    {
                        "mfHoldings": {"enum": [True, False, "true", "false"]},
                        **dict.fromkeys(
                            ["fromDate", "pan", "phone", "email", "flow"], _TEXT
                        ),
                    },
                ),
                "responseConfig": _object(
                    {}, {"casDetail": _FLAG, "casSummary": _FLAG}
                ),
                "notes": {"type": "string", "maxLength": 256},
            },
        ),
        "AskOtp": _object(
            {"transactionId": _TEXT, "pan": _TEXT}, {"phone": _TEXT, "email": _TEXT}
        ),
        "VerifyOtp": _object({"transactionId": _TEXT, "otp": _TEXT}),
        "FundImportWebhook": _object(
            {
                "transactionId": transaction,
                "timestamp": _INSTANT,
                "checksum": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            },
            {
                "summary": {"type": "object"},
                "transactions": _list({"type": "object"}),
                "notes": _TEXT,
            },
        ),
        "NewTransaction": _object({"transactionId": transaction, "expireAt": _INSTANT}),
        "NestedDetails": _object({"transactionDetails": _ref("TransactionDetails")}),
        "TransactionDetails": _object(
            {
                "transactionId": transaction,
                "intent": _TEXT,
                "status": {"type": "string", "enum": statuses.split()},
                "expireAt": _INSTANT,
                "notes": {"type": ["string", "null"]},
                "success": {
                    "anyOf": [
                        {"type": "null"},
                        _object(
                            {"transactionId": transaction},
                            {"smallcaseAuthToken": _TEXT, "broker": _TEXT},
                        ),
                    ]
                },
                "error": {
                    "anyOf": [
                        {"type": "null"},
                        _object({"value": _FLAG, "message": _TEXT, "code": _WHOLE}),
                    ]
                },
            }
        ),
        "GatewayHoldings": _object({**account, "updating": _FLAG}, funds),
        "HoldingsWebhook": _object(
            {
                **account,
                "transactionId": transaction,
                "timestamp": _INSTANT,
                "checksum": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            },
            {**funds, "notes": _TEXT},
        ),
        "SecurityV2": _object(
            {
                "holdings": position,
                "positions": _object({"nse": position, "bse": position}),
                "transactableQuantity": _WHOLE,
                "smallcaseQuantity": _WHOLE,
                "nseTicker": _TICKER,
                "bseTicker": _TICKER,
                "isin": {"type": "string", "pattern": "^[A-Z]{2}[A-Z0-9]{9}[0-9]$"},
                "name": _TEXT,
            },
            {
                "collateralQuantity": {**_WHOLE, "x-trust": "partner"},
                "isSuspendedOrDelistedOnNSE": {**_FLAG, "x-trust": "partner"},
                "isSuspendedOrDelistedOnBSE": {**_FLAG, "x-trust": "partner"},
            },
        ),
        "SecuritiesV1": _object(
            {
                "holdings": _list(
                    _object(
                        {
                            "ticker": _TEXT,
                            "shares": _WHOLE,
                            "name": _TEXT,
                            "averagePrice": price,
                        },
                        {"exchange": _TEXT},
                    )
                )
            }
        ),
        "Smallcases": _object(
            {
                "public": _list(basket),
                "private": {
                    "anyOf": [
                        _list(basket),
                        _object({"stats": _ref("Stats")}),
                        _object(
                            {"investments": _list(basket)}, {"stats": _ref("Stats")}
                        ),
                    ]
                },
            }
        ),
        "Stats": _object(
            {"currentValue": _NUMBER, "totalReturns": _NUMBER},
            {"currentReturns": _NUMBER},
        ),
        "MutualFund": _object(
            {
                "folio": _TICKER,
                "fund": _TICKER,
                "isin": _TICKER,
                "quantity": price,
                "averagePrice": price,
                "lastPrice": price,
                "lastPriceDate": {"type": ["string", "null"]},
                "pnl": price,
                "xirr": price,
            },
            {"tradingsymbol": _TICKER},
        ),
    }


def _arrow_schemas() -> dict[str, Schema]:
    numbers = (
        "avgPrice qty usedQty t1Qty depositoryQty collateralQty brokerCollateralQty "
        "authorizedQty unPledgedQty nonPOAQty haircut effectiveQty sellableQty ltp pnl "
        "close"
    )
    kinds = ("cash", "cashEq", "nonCash")
    allocation = {
        f"{kind}{moment}": _ARROW_NUMBER
        for kind in kinds
        for moment in ("Current", "Opening")
    }
    margin = (
        "allocated utilized brokerage buyOptionPremium cashUsed exposureMargin "
        "intradayCashMargin otherMargin realizedPnl sellOptionPremium spanMargin "
        "totalMargin unrealizedPnl totalCash totalCashEq totalNoncash usableMargin "
        "netPnl mtmLoss cashAvailableForCNC"
    )
    ltp = {"close": _WHOLE, "ltp": _WHOLE, "token": _WHOLE}
    ohlcv = ltp | dict.fromkeys(["open", "high", "low", "volume", "ltt", "oi"], _WHOLE)
    level = _object(
        {"price": _WHOLE, "quantity": _WHOLE, "orders": _WHOLE}, trust="invented"
    )
    depth = {**_list(level), "minItems": 5, "maxItems": 5}
    full = (
        ohlcv
        | dict.fromkeys(
            [
                "avgPrice",
                "ltq",
                "time",
                "upperLimit",
                "lowerLimit",
                "totalBuyQty",
                "totalSellQty",
            ],
            _WHOLE,
        )
        | {"bids": depth, "asks": depth, "symbol": _TEXT}
    )
    bar = {
        "type": "array",
        "prefixItems": [
            {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0530$"},
            *[_WHOLE] * 5,
        ],
        "minItems": 6,
        "maxItems": 7,
    }
    return {
        "ArrowError": _object(
            {
                "status": {"const": "error"},
                "message": _TEXT,
                "errorCode": {
                    "type": "string",
                    "enum": [*ARROW_CODES.values(), "INVALID_DATE_RANGE"],
                },
            },
            {"code": {"const": "INVALID_DATE_RANGE"}},
        ),
        "Authenticate": _object(
            {"checkSum": _TEXT, "token": _TEXT, "appID": _TEXT}, closed=False
        ),
        "PasswordLogin": _object(
            {"userID": _TEXT, "password": _TEXT, "appID": _TEXT},
            closed=False,
            trust="client",
        ),
        "SecondFactor": _object(
            {"userID": _TEXT, "requestId": _TEXT, "code": _TEXT},
            closed=False,
            trust="client",
        ),
        "Session": _object({"name": _TEXT, "token": _TEXT, "userID": _TEXT}),
        "ArrowHolding": _object(
            {
                "symbols": _list(
                    _object(
                        {"symbol": _TEXT, "exchange": _TEXT, "token": _DIGITS},
                        {"tradingSymbol": _TEXT, "isin": _TEXT},
                    )
                ),
                **dict.fromkeys(numbers.split(), _ARROW_NUMBER),
            },
            {"pendingCollateralQty": _ARROW_NUMBER},
        ),
        "Limits": _object(
            {
                "allocations": _list(
                    _object(
                        {
                            "segment": {"type": "string", "enum": ["CM", "FO", "MCX"]},
                            **allocation,
                        }
                    )
                ),
                "margin": _object(dict.fromkeys(margin.split(), _ARROW_NUMBER)),
            }
        ),
        "User": _object(
            {
                **dict.fromkeys(
                    ["id", "name", "email", "pan", "phone", "image", "userType"], _TEXT
                ),
                "totpEnabled": _FLAG,
                "ordersTypes": _WHOLE,
                "exchanges": _list(_TEXT),
                "products": _list(_TEXT),
                "depository": _list(_object({"dp": _TEXT, "id": _TEXT})),
                "bankDetails": _list(
                    _object(
                        {
                            **dict.fromkeys(
                                [
                                    "id",
                                    "vpa",
                                    "bankName",
                                    "accountType",
                                    "accountNumber",
                                ],
                                _TEXT,
                            ),
                            "isDefault": _FLAG,
                        }
                    )
                ),
            },
            {"userID": {**_TEXT, "x-trust": "invented"}},
        ),
        "Holidays": _object(
            {
                "holidays": {"type": "object", "additionalProperties": _TEXT},
                "specialTradingDays": {"type": "object"},
            }
        ),
        "QuoteRequest": _object({"symbol": _TEXT, "exchange": _TEXT}, closed=False),
        "Ltp": _object(ltp),
        "Ohlcv": _object(ohlcv),
        "FullQuote": _object(full),
        "Candles": _list(bar),
    }


def _object(
    required: Mapping[str, Schema],
    optional: Mapping[str, Schema] | None = None,
    *,
    closed: bool = True,
    trust: str = "",
) -> Schema:
    """Describe an object; a closed one has no member that is not described."""
    found: dict[str, object] = {
        "type": "object",
        "required": list(required),
        "properties": {**required, **(optional or {})},
    }
    if closed:
        found["additionalProperties"] = False
    if trust:
        found["x-trust"] = trust
    return found


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _path(name: str, schema: Schema) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _query(name: str, schema: Schema, *, required: bool = False) -> Schema:
    return {"name": name, "in": "query", "required": required, "schema": schema}


def _header_key(name: str) -> Schema:
    return {"type": "apiKey", "in": "header", "name": name}


def _body(schema: Schema) -> Schema:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _json(schema: Schema, words: str = "OK") -> Schema:
    return {"description": words, "content": {"application/json": {"schema": schema}}}


def _gateway_call(
    summary: str,
    data: Schema,
    *,
    parameters: list[Schema],
    refusals: tuple[int, ...],
    body: Schema | None = None,
) -> Schema:
    envelope = _object(
        {"success": {"const": True}, "errors": {"type": "null"}, "data": data}
    )
    found: dict[str, object] = {
        "tags": ["Gateway"],
        "summary": summary,
        "security": [{"gatewaySecret": [], "gatewayToken": []}],
        "parameters": parameters,
        "responses": {
            "200": _json(envelope),
            **{
                str(status): _json(_ref("GatewayError"), "Refused")
                for status in (*refusals, 405)
            },
        },
    }
    if body is not None:
        found["requestBody"] = _body(body)
    return found


def _arrow_call(
    summary: str,
    data: Schema | None,
    *,
    parameters: list[Schema] | None = None,
    refusals: tuple[int, ...] = (401, 429),
    body: Schema | None = None,
    secured: bool = True,
) -> Schema:
    envelope = _object({"data": data or {}, "status": {"const": "success"}})
    found: dict[str, object] = {
        "tags": ["Arrow"],
        "summary": summary,
        "security": [{"appID": [], "token": []}] if secured else [],
        "parameters": parameters or [],
        "responses": {"200": _json(envelope), **_arrow_refusals(refusals)},
    }
    if body is not None:
        found["requestBody"] = _body(body)
    return found


def _arrow_refusals(statuses: tuple[int, ...]) -> dict[str, Schema]:
    return {
        str(status): _json(_ref("ArrowError"), "Refused") for status in (*statuses, 405)
    }


def _render_contracts(document: Mapping[str, object]) -> str:
    """Write the description as a page: an anchor for every call and every schema."""
    paths = cast("dict[str, dict[str, Schema]]", document["paths"])
    components = cast("dict[str, dict[str, Schema]]", document["components"])
    hooks = cast("dict[str, dict[str, Schema]]", document["webhooks"])
    calls = [
        (method.upper(), path, call)
        for path, methods in paths.items()
        for method, call in methods.items()
    ]
    calls += [("WEBHOOK", name, methods["post"]) for name, methods in hooks.items()]
    links = "".join(
        f'<li><a href="#{_anchor(method, path)}">'
        f"<code>{method} {escape(path)}</code></a></li>"
        for method, path, _call in calls
    )
    sections = "".join(_render_call(*each) for each in calls)
    schemas = "".join(
        f'<details id="{escape(name)}"><summary><code>{escape(name)}</code></summary>'
        f"<pre>{_link_schemas(schema)}</pre></details>"
        for name, schema in components["schemas"].items()
    )
    return render_document(
        "Contracts",
        '<p>Both APIs as the sandbox answers them: <a href="/openapi.json">openapi.json'
        f"</a>, OpenAPI 3.1.</p><ul>{links}</ul>{sections}<h2>Schemas</h2>{schemas}",
        wide=True,
    )


def _render_call(method: str, path: str, call: Schema) -> str:
    inputs = "".join(
        f"<li><code>{escape(str(one['name']))}</code> in {escape(str(one['in']))}: "
        f"<code>{escape(json.dumps(one['schema']))}</code></li>"
        for one in cast("list[Schema]", call.get("parameters", []))
    )
    body = call.get("requestBody")
    answers = "".join(
        f"<h4>{escape(status)}</h4><pre>{_link_schemas(answer)}</pre>"
        for status, answer in cast("dict[str, Schema]", call["responses"]).items()
    )
    return (
        f'<section><h2 id="{_anchor(method, path)}">'
        f"<code>{method} {escape(path)}</code></h2>"
        f"<p>{escape(str(call['summary']))}</p>"
        + (f"<ul>{inputs}</ul>" if inputs else "")
        + (f"<h3>Body</h3><pre>{_link_schemas(body)}</pre>" if body else "")
        + f"<details><summary>Answers</summary>{answers}</details></section>"
    )


def _anchor(method: str, path: str) -> str:
    return escape(f"{method}{path}".replace("{", "").replace("}", "").replace("/", "-"))


def _link_schemas(value: object) -> str:
    """Write a schema with a link to each one it names."""
    start = "&quot;#/components/schemas/"
    head, *rest = escape(json.dumps(value, indent=2)).split(start)
    linked = [head]
    for part in rest:
        name, tail = part.split("&quot;", 1)
        linked.append(f'<a href="#{name}">&quot;{name}&quot;</a>{tail}')
    return "".join(linked)
