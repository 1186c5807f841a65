from ._content import (
    pack_extra as pack_extra,
)
from ._content import (
    write_facts as write_facts,
)
from ._imports import (
    ImportResult as ImportResult,
)
from ._imports import (
    Transaction as Transaction,
)
from ._imports import (
    parse_import_result as parse_import_result,
)
from ._imports import (
    parse_transaction as parse_transaction,
)
from ._lines import (
    Line as Line,
)
from ._lines import (
    Text as Text,
)
from ._lines import (
    Torn as Torn,
)
from ._market import (
    CANDLES as CANDLES,
)
from ._market import (
    LIMITS as LIMITS,
)
from ._market import (
    QUOTES as QUOTES,
)
from ._market import (
    decode_candles as decode_candles,
)
from ._market import (
    decode_limits as decode_limits,
)
from ._market import (
    decode_quotes as decode_quotes,
)
from ._refusals import (
    arrow_refusal as arrow_refusal,
)
from ._refusals import (
    gateway_refusal as gateway_refusal,
)
from ._sdk_errors import (
    SDK_ERRORS as SDK_ERRORS,
)
from ._sdk_errors import (
    SdkError as SdkError,
)
from ._sdk_errors import (
    import_failed as import_failed,
)
from ._signing import (
    Secret as Secret,
)
from ._signing import (
    arrow_checksum as arrow_checksum,
)
from ._signing import (
    webhook_checksum as webhook_checksum,
)
from ._signing import (
    webhook_checksum_ok as webhook_checksum_ok,
)
from ._tokens import (
    Claims as Claims,
)
from ._tokens import (
    mint_token as mint_token,
)
from ._tokens import (
    verify_token as verify_token,
)
