from ._content import (
    pack_extra as pack_extra,
    write_facts as write_facts,
)
from ._events import (
    FUND_SUMMARY as FUND_SUMMARY,
    FUND_TRANSACTIONS as FUND_TRANSACTIONS,
    FundImports as FundImports,
    decode_fund_imports as decode_fund_imports,
    recognize_event as recognize_event,
    split_events as split_events,
)
from ._imports import (
    ImportResult as ImportResult,
    Transaction as Transaction,
    parse_import_result as parse_import_result,
    parse_transaction as parse_transaction,
)
from ._lines import (
    Line as Line,
    Text as Text,
    Torn as Torn,
)
from ._market import (
    CANDLES as CANDLES,
    LIMITS as LIMITS,
    QUOTES as QUOTES,
    decode_candles as decode_candles,
    decode_limits as decode_limits,
    decode_quotes as decode_quotes,
)
from ._refusals import (
    arrow_refusal as arrow_refusal,
    gateway_refusal as gateway_refusal,
)
from ._sdk_errors import (
    SDK_ERRORS as SDK_ERRORS,
    SdkError as SdkError,
    import_failed as import_failed,
)
from ._signing import (
    Secret as Secret,
    Secrets as Secrets,
    arrow_checksum as arrow_checksum,
    arrow_redirect_checksum as arrow_redirect_checksum,
    as_secrets as as_secrets,
    matching_secret as matching_secret,
    webhook_checksum as webhook_checksum,
    webhook_checksum_ok as webhook_checksum_ok,
)
from ._tokens import (
    Claims as Claims,
    mint_token as mint_token,
    verify_token as verify_token,
)
