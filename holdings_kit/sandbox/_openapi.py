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
        "paths": {**_describe_gateway_paths(gateway), **_describe_arrow_paths()},
        "webhooks": {
            "holdingsImport": {
                "post": {
                    "summary": "An import has completed",
                    "description": "checksum is the hex HMAC-SHA256 of timestamp + "
                    "smallcaseAuthId with the API secret; it does not cover the "
                    "holdings. Retried after 15 minutes, 24 and 48 hours.",
                    "requestBody": _describe_body(_refer_to("HoldingsWebhook")),
                    "responses": {"2XX": {"description": "Received"}},
                }
            },
            "fundImport": {
                "post": {
                    "summary": "An import of mutual funds has completed",
                    "description": "checksum covers timestamp + transactionId.",
                    "requestBody": _describe_body(_refer_to("FundImportWebhook")),
                    "responses": {"2XX": {"description": "Received"}},
                }
            },
        },
        "components": {
            "schemas": _list_schemas(),
            "securitySchemes": {
                "gatewaySecret": _describe_header_key("x-gateway-secret"),
                "gatewayToken": _describe_header_key("x-gateway-authtoken"),
                "appID": _describe_header_key("appID"),
                "token": _describe_header_key("token"),
            },
        },
    }


def _describe_gateway_paths(gateway: str) -> dict[str, object]:
    name = {
        "name": "gateway",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "enum": [gateway]},
    }
    version = _describe_query("version", {"type": "string", "enum": ["v1", "v2"]})
    funds = _describe_query("mfHoldings", {"type": "string", "enum": ["true", "false"]})
    transaction = _describe_query("transactionId", _TEXT, required=True)
    fetch = _describe_gateway_call(
        "Fetch the holdings of a connected user",
        _refer_to("GatewayHoldings"),
        parameters=[name, version, funds],
        refusals=(400, 401, 403),
    )
    return {
        "/gateway/{gateway}/transaction": {
            "post": _describe_gateway_call(
                "Create a transaction: five minutes, one use",
                _refer_to("NewTransaction"),
                parameters=[name],
                body=_refer_to("CreateTransaction"),
                refusals=(400, 401),
            )
        },
        "/v1/{gateway}/engine/transactiondetails": {
            "get": _describe_gateway_call(
                "Read a transaction",
                {
                    "anyOf": [
                        _refer_to("NestedDetails"),
                        _refer_to("TransactionDetails"),
                    ]
                },
                parameters=[name, transaction],
                refusals=(400, 401, 403),
            )
        },
        "/v1/{gateway}/engine/user/holdings": {"get": fetch},
        "/gateway/mf/getOtp": {
            "post": _describe_gateway_call(
                "Mutual funds: name the investor, an OTP is sent",
                _describe_object({"transactionId": _TEXT, "message": _TEXT}),
                parameters=[],
                body=_refer_to("AskOtp"),
                refusals=(400, 401, 422, 429),
            )
        },
        "/gateway/mf/verifyOtp": {
            "post": _describe_gateway_call(
                "Mutual funds: give the OTP; the import completes",
                _describe_object({"transactionId": _TEXT, "status": _TEXT}),
                parameters=[],
                body=_refer_to("VerifyOtp"),
                refusals=(400, 401, 406, 429),
            )
        },
        "/gateway/{gateway}/user/holdings": {
            "get": {**fetch, "deprecated": True, "x-trust": "partner"}
        },
    }


def _describe_arrow_paths() -> dict[str, object]:
    mode = _describe_path("mode", {"type": "string", "enum": ["ltp", "ohlcv", "full"]})
    quote = {"anyOf": [_refer_to("Ltp"), _refer_to("Ohlcv"), _refer_to("FullQuote")]}
    asked = _refer_to("QuoteRequest")
    exchange = {"type": "string", "enum": ["nse", "bse", "NSE", "BSE"]}
    candle = [
        _describe_path("exchange", exchange),
        _describe_path("token", _DIGITS),
        _describe_path("interval", {"type": "string", "enum": list(INTERVALS)}),
        _describe_query("from", _TEXT, required=True),
        _describe_query("to", _TEXT, required=True),
        _describe_query("oi", {"type": "integer", "enum": [0, 1]}),
    ]
    candles = _describe_arrow_call(
        "Price history: [begins at, open, high, low, close, volume], in paise",
        None,
        parameters=candle,
        refusals=(400, 401, 404, 422, 429),
    )
    cast("dict[str, object]", candles["responses"])["200"] = _describe_json(
        _refer_to("Candles")
    )
    answers: dict[str, Schema] = {
        "200": {
            "description": "CSV",
            "content": {"application/octet-stream": {"schema": _TEXT}},
        },
        **_list_arrow_refusals((401, 429)),
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
            "post": _describe_arrow_call(
                "Trade a request token for a session; checkSum is SHA-256 of "
                "appID:appSecret:request-token",
                _refer_to("Session"),
                body=_refer_to("Authenticate"),
                refusals=(400, 401, 429),
                secured=False,
            )
        },
        "/auth/app/login": {
            "post": _describe_arrow_call(
                "Log in by password",
                _describe_object({"requestId": _TEXT}),
                body=_refer_to("PasswordLogin"),
                refusals=(400, 401, 429),
                secured=False,
            )
        },
        "/auth/validate-2fa": {
            "post": _describe_arrow_call(
                "Give the TOTP code",
                _describe_object({"redirectUrl": {"type": "string", "format": "uri"}}),
                body=_refer_to("SecondFactor"),
                refusals=(400, 401, 429),
                secured=False,
            )
        },
        "/user/holdings": {
            "get": _describe_arrow_call("Holdings", _list(_refer_to("ArrowHolding")))
        },
        "/user/limits": {
            "get": _describe_arrow_call("Cash and margin", _refer_to("Limits"))
        },
        "/user/details": {
            "get": _describe_arrow_call("Who the user is", _refer_to("User"))
        },
        "/info/holidays": {
            "get": _describe_arrow_call("Trading holidays", _refer_to("Holidays"))
        },
        "/info/quote/{mode}": {
            "post": _describe_arrow_call(
                "The quote of one instrument, in paise",
                quote,
                parameters=[mode],
                body=asked,
                refusals=(400, 401, 404, 429),
            )
        },
        "/info/quotes/{mode}": {
            "post": _describe_arrow_call(
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


def _list_schemas() -> dict[str, Schema]:
    return {**_list_gateway_schemas(), **_list_arrow_schemas()}


def _list_gateway_schemas() -> dict[str, Schema]:
    quantity = {"type": ["integer", "null"]}
    price = {"type": ["number", "null"], "description": "null is unknown, never 0"}
    position = _describe_object({"quantity": quantity, "averagePrice": price})
    account: dict[str, Schema] = {
        "securities": {
            "anyOf": [_list(_refer_to("SecurityV2")), _refer_to("SecuritiesV1")]
        },
        "smallcases": _refer_to("Smallcases"),
        "lastUpdate": _INSTANT,
        "snapshotDate": _INSTANT,
        "smallcaseAuthId": {"type": "string", "pattern": "^[0-9a-f]{24}$"},
        "broker": {"type": "string", "description": f"{', '.join(BROKERS)} and more"},
    }
    funds = {
        "mutualFunds": _describe_object({"holdings": _list(_refer_to("MutualFund"))})
    }
    transaction = {"type": "string", "pattern": "^TRX_[0-9a-f]{32}$"}
    statuses = (
        "INITIALIZED USED PROCESSING ACTION_REQUIRED ERRORED COMPLETED CANCELLED "
        "EXPIRED"
    )
    basket = _describe_object(
        {
            "scid": _TEXT,
            "name": _TEXT,
            "imageUrl": _TEXT,
            "stats": _refer_to("Stats"),
            "constituents": _list(
                _describe_object({"ticker": _TEXT, "shares": _NUMBER})
            ),
        },
        {"shortDescription": _TEXT},
    )
    return {
        "GatewayError": _describe_object(
            {
                "success": {"const": False},
                "errors": _list(_TEXT),
                "data": {"type": "null"},
            },
            trust="partner",
        ),
        "CreateTransaction": _describe_object(
            {
                "intent": {
                    "type": "string",
                    "enum": ["HOLDINGS_IMPORT", "MF_HOLDINGS_IMPORT"],
                }
            },
            {
                "version": {"type": "string", "enum": ["v1", "v2"]},
                "assetConfig": _describe_object(
                    {},
                    {
                        "mfHoldings": {"enum": [True, False, "true", "false"]},
                        **dict.fromkeys(
                            ["fromDate", "pan", "phone", "email", "flow"], _TEXT
                        ),
                    },
                ),
                "responseConfig": _describe_object(
                    {}, {"casDetail": _FLAG, "casSummary": _FLAG}
                ),
                "notes": {"type": "string", "maxLength": 256},
            },
        ),
        "AskOtp": _describe_object(
            {"transactionId": _TEXT, "pan": _TEXT}, {"phone": _TEXT, "email": _TEXT}
        ),
        "VerifyOtp": _describe_object({"transactionId": _TEXT, "otp": _TEXT}),
        "FundImportWebhook": _describe_object(
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
        "NewTransaction": _describe_object(
            {"transactionId": transaction, "expireAt": _INSTANT}
        ),
        "NestedDetails": _describe_object(
            {"transactionDetails": _refer_to("TransactionDetails")}
        ),
        "TransactionDetails": _describe_object(
            {
                "transactionId": transaction,
                "intent": _TEXT,
                "status": {"type": "string", "enum": statuses.split()},
                "expireAt": _INSTANT,
                "notes": {"type": ["string", "null"]},
                "success": {
                    "anyOf": [
                        {"type": "null"},
                        _describe_object(
                            {"transactionId": transaction},
                            {"smallcaseAuthToken": _TEXT, "broker": _TEXT},
                        ),
                    ]
                },
                "error": {
                    "anyOf": [
                        {"type": "null"},
                        _describe_object(
                            {"value": _FLAG, "message": _TEXT, "code": _WHOLE}
                        ),
                    ]
                },
            }
        ),
        "GatewayHoldings": _describe_object({**account, "updating": _FLAG}, funds),
        "HoldingsWebhook": _describe_object(
            {
                **account,
                "transactionId": transaction,
                "timestamp": _INSTANT,
                "checksum": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
            },
            {**funds, "notes": _TEXT},
        ),
        "SecurityV2": _describe_object(
            {
                "holdings": position,
                "positions": _describe_object({"nse": position, "bse": position}),
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
        "SecuritiesV1": _describe_object(
            {
                "holdings": _list(
                    _describe_object(
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
        "Smallcases": _describe_object(
            {
                "public": _list(basket),
                "private": {
                    "anyOf": [
                        _list(basket),
                        _describe_object({"stats": _refer_to("Stats")}),
                        _describe_object(
                            {"investments": _list(basket)},
                            {"stats": _refer_to("Stats")},
                        ),
                    ]
                },
            }
        ),
        "Stats": _describe_object(
            {"currentValue": _NUMBER, "totalReturns": _NUMBER},
            {"currentReturns": _NUMBER},
        ),
        "MutualFund": _describe_object(
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


def _list_arrow_schemas() -> dict[str, Schema]:
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
    level = _describe_object(
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
        "ArrowError": _describe_object(
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
        "Authenticate": _describe_object(
            {"checkSum": _TEXT, "token": _TEXT, "appID": _TEXT}, closed=False
        ),
        "PasswordLogin": _describe_object(
            {"userID": _TEXT, "password": _TEXT, "appID": _TEXT},
            closed=False,
            trust="client",
        ),
        "SecondFactor": _describe_object(
            {"userID": _TEXT, "requestId": _TEXT, "code": _TEXT},
            closed=False,
            trust="client",
        ),
        "Session": _describe_object({"name": _TEXT, "token": _TEXT, "userID": _TEXT}),
        "ArrowHolding": _describe_object(
            {
                "symbols": _list(
                    _describe_object(
                        {"symbol": _TEXT, "exchange": _TEXT, "token": _DIGITS},
                        {"tradingSymbol": _TEXT, "isin": _TEXT},
                    )
                ),
                **dict.fromkeys(numbers.split(), _ARROW_NUMBER),
            },
            {"pendingCollateralQty": _ARROW_NUMBER},
        ),
        "Limits": _describe_object(
            {
                "allocations": _list(
                    _describe_object(
                        {
                            "segment": {"type": "string", "enum": ["CM", "FO", "MCX"]},
                            **allocation,
                        }
                    )
                ),
                "margin": _describe_object(
                    dict.fromkeys(margin.split(), _ARROW_NUMBER)
                ),
            }
        ),
        "User": _describe_object(
            {
                **dict.fromkeys(
                    ["id", "name", "email", "pan", "phone", "image", "userType"], _TEXT
                ),
                "totpEnabled": _FLAG,
                "ordersTypes": _WHOLE,
                "exchanges": _list(_TEXT),
                "products": _list(_TEXT),
                "depository": _list(_describe_object({"dp": _TEXT, "id": _TEXT})),
                "bankDetails": _list(
                    _describe_object(
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
        "Holidays": _describe_object(
            {
                "holidays": {"type": "object", "additionalProperties": _TEXT},
                "specialTradingDays": {"type": "object"},
            }
        ),
        "QuoteRequest": _describe_object(
            {"symbol": _TEXT, "exchange": _TEXT}, closed=False
        ),
        "Ltp": _describe_object(ltp),
        "Ohlcv": _describe_object(ohlcv),
        "FullQuote": _describe_object(full),
        "Candles": _list(bar),
    }


def _describe_object(
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


def _refer_to(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _describe_path(name: str, schema: Schema) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _describe_query(name: str, schema: Schema, *, required: bool = False) -> Schema:
    return {"name": name, "in": "query", "required": required, "schema": schema}


def _describe_header_key(name: str) -> Schema:
    return {"type": "apiKey", "in": "header", "name": name}


def _describe_body(schema: Schema) -> Schema:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _describe_json(schema: Schema, words: str = "OK") -> Schema:
    return {"description": words, "content": {"application/json": {"schema": schema}}}


def _describe_gateway_call(
    summary: str,
    data: Schema,
    *,
    parameters: list[Schema],
    refusals: tuple[int, ...],
    body: Schema | None = None,
) -> Schema:
    envelope = _describe_object(
        {"success": {"const": True}, "errors": {"type": "null"}, "data": data}
    )
    found: dict[str, object] = {
        "tags": ["Gateway"],
        "summary": summary,
        "security": [{"gatewaySecret": [], "gatewayToken": []}],
        "parameters": parameters,
        "responses": {
            "200": _describe_json(envelope),
            **{
                str(status): _describe_json(_refer_to("GatewayError"), "Refused")
                for status in (*refusals, 405)
            },
        },
    }
    if body is not None:
        found["requestBody"] = _describe_body(body)
    return found


def _describe_arrow_call(
    summary: str,
    data: Schema | None,
    *,
    parameters: list[Schema] | None = None,
    refusals: tuple[int, ...] = (401, 429),
    body: Schema | None = None,
    secured: bool = True,
) -> Schema:
    envelope = _describe_object({"data": data or {}, "status": {"const": "success"}})
    found: dict[str, object] = {
        "tags": ["Arrow"],
        "summary": summary,
        "security": [{"appID": [], "token": []}] if secured else [],
        "parameters": parameters or [],
        "responses": {
            "200": _describe_json(envelope),
            **_list_arrow_refusals(refusals),
        },
    }
    if body is not None:
        found["requestBody"] = _describe_body(body)
    return found


def _list_arrow_refusals(statuses: tuple[int, ...]) -> dict[str, Schema]:
    return {
        str(status): _describe_json(_refer_to("ArrowError"), "Refused")
        for status in (*statuses, 405)
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
        f'<li><a href="#{_name_anchor(method, path)}">'
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
        f'</a>, OpenAPI 3.1.</p><ul class="calls">{links}</ul>{sections}'
        f"<h2>Schemas</h2>{schemas}",
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
        f'<section class="call"><h2 id="{_name_anchor(method, path)}">'
        f"<code>{method} {escape(path)}</code></h2>"
        f"<p>{escape(str(call['summary']))}</p>"
        + (f"<ul>{inputs}</ul>" if inputs else "")
        + (f"<h3>Body</h3><pre>{_link_schemas(body)}</pre>" if body else "")
        + f"<details><summary>Answers</summary>{answers}</details></section>"
    )


def _name_anchor(method: str, path: str) -> str:
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
