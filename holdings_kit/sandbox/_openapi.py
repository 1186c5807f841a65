"""Both contracts as OpenAPI 3.1.

Beside every field stands on whose word it is: ``x-trust`` is ``documented``, ``client``
(an official client or SDK), ``partner`` (seen at partners), or ``invented``. Without it
a field is documented.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

from starlette.routing import Route

from holdings_kit.sandbox._candles import INTERVALS
from holdings_kit.sandbox._imports import MF_INTENT
from holdings_kit.sandbox._personas import BROKERS
from holdings_kit.sandbox._render import html_reply, render_contracts
from holdings_kit.sandbox._replies import ARROW_CODES, json_reply, world_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

Schema: TypeAlias = "Mapping[str, object]"

_TEXT: Final[Schema] = {"type": "string"}
_WHOLE: Final[Schema] = {"type": "integer"}
_NUMBER: Final[Schema] = {"type": "number"}
_FLAG: Final[Schema] = {"type": "boolean"}
_NULL: Final[Schema] = {"type": "null"}
_ANY: Final[Schema] = {"type": "object"}
_INSTANT: Final[Schema] = {"type": "string", "format": "date-time"}
_TEXT_OR_NULL: Final[Schema] = {"type": ["string", "null"]}
_DIGITS: Final[Schema] = {"type": "string", "pattern": "^[0-9]{1,9}$"}
_ARROW_NUMBER: Final[Schema] = {
    "type": "string",
    "pattern": r"^(-?[0-9]+(\.[0-9]+)?)?$",
    "description": "A number as text; empty is unknown.",
}
_ARROW_KEY: Final[Schema] = {"appID": [], "token": []}
_KEYS: Final = {
    "gatewaySecret": "x-gateway-secret",
    "gatewayToken": "x-gateway-authtoken",
    "appID": "appID",
    "token": "token",
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
    return html_reply(render_contracts(document))


def describe_contracts(gateway: str = "sandboxgateway") -> dict[str, object]:
    """Describe both APIs as OpenAPI 3.1: paths, webhooks, schemas and errors.

    Parameters
    ----------
    gateway
        The one gateway name that is answered.
    """
    calls = {**_list_gateway_calls(gateway), **_list_arrow_calls()}
    paths: dict[str, object] = {}
    for place, call in calls.items():
        method, path = place.split()
        paths[path] = {method.lower(): call}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Holdings: the Gateway and Arrow, simulated",
            "version": "0.2.0",
            "description": "What the sandbox answers. docs/contract.md holds it "
            "against what is published, field by field.",
        },
        "tags": [{"name": "Gateway"}, {"name": "Arrow"}],
        "paths": paths,
        "webhooks": {
            "holdingsImport": _describe_hook(
                "An import has completed",
                "checksum is the hex HMAC-SHA256 of timestamp + smallcaseAuthId with "
                "the API secret; it does not cover the holdings. Retried after 15 "
                "minutes, 24 and 48 hours.",
                "HoldingsWebhook",
            ),
            "fundImport": _describe_hook(
                "An import of mutual funds has completed",
                "checksum covers timestamp + transactionId.",
                "FundImportWebhook",
            ),
        },
        "components": {
            "schemas": {**_list_gateway_schemas(), **_list_arrow_schemas()},
            "securitySchemes": {
                name: {"type": "apiKey", "in": "header", "name": header}
                for name, header in _KEYS.items()
            },
        },
    }


def _list_gateway_calls(gateway: str) -> dict[str, Schema]:
    """List method and path of each call of the Gateway, and what it is."""
    name = _describe_path("gateway", {"type": "string", "enum": [gateway]})
    version = _describe_query("version", {"type": "string", "enum": ["v1", "v2"]})
    funds = _describe_query("mfHoldings", {"type": "string", "enum": ["true", "false"]})
    transaction = _describe_query("transactionId", _TEXT, required=True)
    details = [_refer_to("NestedDetails"), _refer_to("TransactionDetails")]
    fetch = _describe_gateway_call(
        "Fetch the holdings of a connected user",
        _refer_to("GatewayHoldings"),
        (400, 401, 403),
        parameters=[name, version, funds],
    )
    return {
        "POST /gateway/{gateway}/transaction": _describe_gateway_call(
            "Create a transaction: five minutes, one use",
            _refer_to("NewTransaction"),
            (400, 401),
            parameters=[name],
            body=_refer_to("CreateTransaction"),
        ),
        "GET /v1/{gateway}/engine/transactiondetails": _describe_gateway_call(
            "Read a transaction",
            {"anyOf": details},
            (400, 401, 403),
            parameters=[name, transaction],
        ),
        "GET /v1/{gateway}/engine/user/holdings": fetch,
        "POST /gateway/mf/getOtp": _describe_gateway_call(
            "Mutual funds: name the investor, an OTP is sent",
            _describe_object("transactionId message"),
            (400, 401, 422, 429),
            body=_refer_to("AskOtp"),
        ),
        "POST /gateway/mf/verifyOtp": _describe_gateway_call(
            "Mutual funds: give the OTP; the import completes",
            _describe_object("transactionId status"),
            (400, 401, 406, 429),
            body=_refer_to("VerifyOtp"),
        ),
        "GET /gateway/{gateway}/user/holdings": {
            **fetch,
            "deprecated": True,
            "x-trust": "partner",
        },
    }


def _list_arrow_calls() -> dict[str, Schema]:
    """List method and path of each call of Arrow, and what it is."""
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
    csv: Schema = {
        "tags": ["Arrow"],
        "summary": "Instruments as CSV",
        "security": [_ARROW_KEY],
        "responses": {
            "200": {
                "description": "CSV",
                "content": {"application/octet-stream": {"schema": _TEXT}},
            },
            **_list_refusals("ArrowError", (401, 429)),
        },
    }
    return {
        "POST /auth/app/authenticate-token": _describe_arrow_call(
            "Trade a request token for a session; checkSum is SHA-256 of "
            "appID:appSecret:request-token",
            _refer_to("Session"),
            (400, 401, 429),
            body=_refer_to("Authenticate"),
            secured=False,
        ),
        "POST /auth/app/login": _describe_arrow_call(
            "Log in by password",
            _describe_object("requestId"),
            (400, 401, 429),
            body=_refer_to("PasswordLogin"),
            secured=False,
        ),
        "POST /auth/validate-2fa": _describe_arrow_call(
            "Give the TOTP code",
            _describe_object({"redirectUrl": {"type": "string", "format": "uri"}}),
            (400, 401, 429),
            body=_refer_to("SecondFactor"),
            secured=False,
        ),
        "GET /user/holdings": _describe_arrow_call(
            "Holdings", _list(_refer_to("ArrowHolding"))
        ),
        "GET /user/limits": _describe_arrow_call(
            "Cash and margin", _refer_to("Limits")
        ),
        "GET /user/details": _describe_arrow_call("Who the user is", _refer_to("User")),
        "GET /info/holidays": _describe_arrow_call(
            "Trading holidays", _refer_to("Holidays")
        ),
        "POST /info/quote/{mode}": _describe_arrow_call(
            "The quote of one instrument, in paise",
            quote,
            (400, 401, 404, 429),
            parameters=[mode],
            body=asked,
        ),
        "POST /info/quotes/{mode}": _describe_arrow_call(
            "Quotes of at most 100 instruments, in any order, in paise",
            _list(quote),
            (400, 401, 429),
            parameters=[mode],
            body={**_list(asked), "maxItems": 100},
        ),
        "GET /candle/{exchange}/{token}/{interval}": _describe_call(
            "Arrow",
            "Price history: [begins at, open, high, low, close, volume], in paise",
            _refer_to("Candles"),
            (400, 401, 404, 422, 429),
            security=[_ARROW_KEY],
            parameters=candle,
        ),
        **{f"GET /{name}": csv for name in ("all", "nse", "bse", "mcx")},
    }


def _list_gateway_schemas() -> dict[str, Schema]:
    price = {"type": ["number", "null"], "description": "null is unknown, never 0"}
    position = _describe_object(
        {"quantity": {"type": ["integer", "null"]}, "averagePrice": price}
    )
    account: dict[str, Schema] = {
        "securities": {
            "anyOf": [_list(_refer_to("SecurityV2")), _refer_to("SecuritiesV1")]
        },
        "smallcases": _refer_to("Smallcases"),
        **_describe_alike("lastUpdate snapshotDate", _INSTANT),
        "smallcaseAuthId": {"type": "string", "pattern": "^[0-9a-f]{24}$"},
        "broker": {"type": "string", "description": f"{', '.join(BROKERS)} and more"},
    }
    funds = {
        "mutualFunds": _describe_object({"holdings": _list(_refer_to("MutualFund"))})
    }
    transaction = {"transactionId": {"type": "string", "pattern": "^TRX_[0-9a-f]{32}$"}}
    announced = {
        **transaction,
        "timestamp": _INSTANT,
        "checksum": {"type": "string", "pattern": "^[0-9a-f]{64}$"},
    }
    statuses = (
        "INITIALIZED USED PROCESSING ACTION_REQUIRED ERRORED COMPLETED CANCELLED "
        "EXPIRED"
    )
    stats = {"stats": _refer_to("Stats")}
    part = _describe_object({"ticker": _TEXT, "shares": _NUMBER})
    basket = _list(
        _describe_object(
            {
                **_describe_alike("scid name imageUrl", _TEXT),
                **stats,
                "constituents": _list(part),
            },
            "shortDescription",
        )
    )
    return {
        "GatewayError": _describe_object(
            {"success": {"const": False}, "errors": _list(_TEXT), "data": _NULL},
            trust="partner",
        ),
        "CreateTransaction": _describe_object(
            {"intent": {"type": "string", "enum": ["HOLDINGS_IMPORT", MF_INTENT]}},
            {
                "version": {"type": "string", "enum": ["v1", "v2"]},
                "assetConfig": _describe_object(
                    {},
                    {
                        "mfHoldings": {"enum": [True, False, "true", "false"]},
                        **_describe_alike("fromDate pan phone email flow", _TEXT),
                    },
                ),
                "responseConfig": _describe_object(
                    {}, _describe_alike("casDetail casSummary", _FLAG)
                ),
                "notes": {"type": "string", "maxLength": 256},
            },
        ),
        "AskOtp": _describe_object(
            "transactionId pan",
            "phone email",
        ),
        "VerifyOtp": _describe_object("transactionId otp"),
        "FundImportWebhook": _describe_object(
            announced,
            {"summary": _ANY, "transactions": _list(_ANY), "notes": _TEXT},
        ),
        "NewTransaction": _describe_object({**transaction, "expireAt": _INSTANT}),
        "NestedDetails": _describe_object(
            {"transactionDetails": _refer_to("TransactionDetails")}
        ),
        "TransactionDetails": _describe_object(
            {
                **transaction,
                "intent": _TEXT,
                "status": {"type": "string", "enum": statuses.split()},
                "expireAt": _INSTANT,
                "notes": _TEXT_OR_NULL,
                "success": _describe_nullable(transaction, "smallcaseAuthToken broker"),
                "error": _describe_nullable(
                    {"value": _FLAG, "message": _TEXT, "code": _WHOLE}
                ),
            }
        ),
        "GatewayHoldings": _describe_object({**account, "updating": _FLAG}, funds),
        "HoldingsWebhook": _describe_object(
            {**account, **announced}, {**funds, "notes": _TEXT}
        ),
        "SecurityV2": _describe_object(
            {
                "holdings": position,
                "positions": _describe_object(_describe_alike("nse bse", position)),
                **_describe_alike("transactableQuantity smallcaseQuantity", _WHOLE),
                **_describe_alike("nseTicker bseTicker", _TEXT_OR_NULL),
                "isin": {"type": "string", "pattern": "^[A-Z]{2}[A-Z0-9]{9}[0-9]$"},
                "name": _TEXT,
            },
            {
                "collateralQuantity": {**_WHOLE, "x-trust": "partner"},
                **_describe_alike(
                    "isSuspendedOrDelistedOnNSE isSuspendedOrDelistedOnBSE",
                    {**_FLAG, "x-trust": "partner"},
                ),
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
                "public": basket,
                "private": {
                    "anyOf": [
                        basket,
                        _describe_object(stats),
                        _describe_object({"investments": basket}, stats),
                    ]
                },
            }
        ),
        "Stats": _describe_object(
            _describe_alike("currentValue totalReturns", _NUMBER),
            {"currentReturns": _NUMBER},
        ),
        "MutualFund": _describe_object(
            {
                **_describe_alike("folio fund isin", _TEXT_OR_NULL),
                **_describe_alike("quantity averagePrice lastPrice", price),
                "lastPriceDate": _TEXT_OR_NULL,
                **_describe_alike("pnl xirr", price),
            },
            {"tradingsymbol": _TEXT_OR_NULL},
        ),
    }


def _list_arrow_schemas() -> dict[str, Schema]:
    numbers = (
        "avgPrice qty usedQty t1Qty depositoryQty collateralQty brokerCollateralQty "
        "authorizedQty unPledgedQty nonPOAQty haircut effectiveQty sellableQty ltp pnl "
        "close"
    )
    allocation = (
        "cashCurrent cashOpening cashEqCurrent cashEqOpening nonCashCurrent "
        "nonCashOpening"
    )
    margin = (
        "allocated utilized brokerage buyOptionPremium cashUsed exposureMargin "
        "intradayCashMargin otherMargin realizedPnl sellOptionPremium spanMargin "
        "totalMargin unrealizedPnl totalCash totalCashEq totalNoncash usableMargin "
        "netPnl mtmLoss cashAvailableForCNC"
    )
    bank = "id vpa bankName accountType accountNumber"
    ltp = _describe_alike("close ltp token", _WHOLE)
    ohlcv = ltp | _describe_alike("open high low volume ltt oi", _WHOLE)
    more = "avgPrice ltq time upperLimit lowerLimit totalBuyQty totalSellQty"
    level = _describe_object(
        _describe_alike("price quantity orders", _WHOLE), trust="invented"
    )
    depth = {**_list(level), "minItems": 5, "maxItems": 5}
    full = (
        ohlcv
        | _describe_alike(more, _WHOLE)
        | _describe_alike("bids asks", depth)
        | {"symbol": _TEXT}
    )
    at = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0530$"}
    bar = {
        "type": "array",
        "prefixItems": [at, *[_WHOLE] * 5],
        "minItems": 6,
        "maxItems": 7,
    }
    codes = [*ARROW_CODES.values(), "INVALID_DATE_RANGE"]
    return {
        "ArrowError": _describe_object(
            {
                "status": {"const": "error"},
                "message": _TEXT,
                "errorCode": {"type": "string", "enum": codes},
            },
            {"code": {"const": "INVALID_DATE_RANGE"}},
        ),
        "Authenticate": _describe_object("checkSum token appID", closed=False),
        "PasswordLogin": _describe_object(
            "userID password appID",
            closed=False,
            trust="client",
        ),
        "SecondFactor": _describe_object(
            "userID requestId code",
            closed=False,
            trust="client",
        ),
        "Session": _describe_object("name token userID"),
        "ArrowHolding": _describe_object(
            {
                "symbols": _list(
                    _describe_object(
                        {"symbol": _TEXT, "exchange": _TEXT, "token": _DIGITS},
                        _describe_alike("tradingSymbol isin", _TEXT),
                    )
                ),
                **_describe_alike(numbers, _ARROW_NUMBER),
            },
            {"pendingCollateralQty": _ARROW_NUMBER},
        ),
        "Limits": _describe_object(
            {
                "allocations": _list(
                    _describe_object(
                        {
                            "segment": {"type": "string", "enum": ["CM", "FO", "MCX"]},
                            **_describe_alike(allocation, _ARROW_NUMBER),
                        }
                    )
                ),
                "margin": _describe_object(_describe_alike(margin, _ARROW_NUMBER)),
            }
        ),
        "User": _describe_object(
            {
                **_describe_alike("id name email pan phone image userType", _TEXT),
                "totpEnabled": _FLAG,
                "ordersTypes": _WHOLE,
                **_describe_alike("exchanges products", _list(_TEXT)),
                "depository": _list(_describe_object("dp id")),
                "bankDetails": _list(
                    _describe_object(
                        {**_describe_alike(bank, _TEXT), "isDefault": _FLAG}
                    )
                ),
            },
            {"userID": {**_TEXT, "x-trust": "invented"}},
        ),
        "Holidays": _describe_object(
            {
                "holidays": {"type": "object", "additionalProperties": _TEXT},
                "specialTradingDays": _ANY,
            }
        ),
        "QuoteRequest": _describe_object("symbol exchange", closed=False),
        "Ltp": _describe_object(ltp),
        "Ohlcv": _describe_object(ohlcv),
        "FullQuote": _describe_object(full),
        "Candles": _list(bar),
    }


def _describe_object(
    required: Mapping[str, Schema] | str,
    optional: Mapping[str, Schema] | str = "",
    *,
    closed: bool = True,
    trust: str = "",
) -> Schema:
    """Describe an object by its members; names alone are those of texts.

    A closed one has no member that is not described.
    """
    if isinstance(required, str):
        required = _describe_alike(required, _TEXT)
    if isinstance(optional, str):
        optional = _describe_alike(optional, _TEXT)
    found: dict[str, object] = {
        "type": "object",
        "required": list(required),
        "properties": {**required, **optional},
    }
    if closed:
        found["additionalProperties"] = False
    if trust:
        found["x-trust"] = trust
    return found


def _describe_nullable(
    required: Mapping[str, Schema], optional: Mapping[str, Schema] | str = ""
) -> Schema:
    return {"anyOf": [_NULL, _describe_object(required, optional)]}


def _describe_alike(names: str, schema: Schema) -> dict[str, Schema]:
    """Describe several members alike."""
    return dict.fromkeys(names.split(), schema)


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _refer_to(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _describe_path(name: str, schema: Schema) -> Schema:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _describe_query(name: str, schema: Schema, *, required: bool = False) -> Schema:
    return {"name": name, "in": "query", "required": required, "schema": schema}


def _describe_body(schema: Schema) -> Schema:
    return {"required": True, "content": {"application/json": {"schema": schema}}}


def _describe_json(schema: Schema, words: str = "OK") -> Schema:
    return {"description": words, "content": {"application/json": {"schema": schema}}}


def _describe_hook(summary: str, more: str, body: str) -> Schema:
    return {
        "post": {
            "summary": summary,
            "description": more,
            "requestBody": _describe_body(_refer_to(body)),
            "responses": {"2XX": {"description": "Received"}},
        }
    }


def _describe_gateway_call(
    summary: str,
    data: Schema,
    refusals: tuple[int, ...],
    *,
    parameters: Sequence[Schema] = (),
    body: Schema | None = None,
) -> Schema:
    """Describe a call by what its answer has under ``data``."""
    answer = {"success": {"const": True}, "errors": _NULL, "data": data}
    return _describe_call(
        "Gateway",
        summary,
        _describe_object(answer),
        refusals,
        security=[{"gatewaySecret": [], "gatewayToken": []}],
        parameters=parameters,
        body=body,
    )


def _describe_arrow_call(
    summary: str,
    data: Schema,
    refusals: tuple[int, ...] = (401, 429),
    *,
    parameters: Sequence[Schema] = (),
    body: Schema | None = None,
    secured: bool = True,
) -> Schema:
    """Describe a call by what its answer has under ``data``."""
    return _describe_call(
        "Arrow",
        summary,
        _describe_object({"data": data, "status": {"const": "success"}}),
        refusals,
        security=[_ARROW_KEY] if secured else [],
        parameters=parameters,
        body=body,
    )


def _describe_call(
    tag: str,
    summary: str,
    answer: Schema,
    refusals: tuple[int, ...],
    *,
    security: list[Schema],
    parameters: Sequence[Schema] = (),
    body: Schema | None = None,
) -> Schema:
    found: dict[str, object] = {
        "tags": [tag],
        "summary": summary,
        "security": security,
        "parameters": list(parameters),
        "responses": {
            "200": _describe_json(answer),
            **_list_refusals(f"{tag}Error", refusals),
        },
    }
    return found if body is None else found | {"requestBody": _describe_body(body)}


def _list_refusals(error: str, statuses: tuple[int, ...]) -> dict[str, Schema]:
    refused = _describe_json(_refer_to(error), "Refused")
    return {str(status): refused for status in (*statuses, 405)}
