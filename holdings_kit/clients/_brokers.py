"""Broker profiles as data: names, and whose session outlives the login.

The list moves, so it is data and never a gate: an unknown broker has a profile too.
Keys and names: the Gateway guide's list of supported brokers and partners' lists.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from holdings_kit.errors import readable

_TEST_SUFFIX: Final = "-leprechaun"


@readable
class Broker(NamedTuple):
    """What is known of one broker.

    Attributes
    ----------
    key
        As in payloads, without the suffix of test accounts.
    name
        To show to people.
    long_lived
        A fetch may refresh the snapshot without a login, while the session lasts. The
        others need a new import. ``None`` where nobody says: treat as ``False``.
    test_account
        The key carried the suffix ``-leprechaun``.
    """

    key: str
    name: str
    long_lived: bool | None = False
    test_account: bool = False


BROKERS: Final = {
    broker.key: broker
    for broker in (
        Broker("aliceblue", "Alice Blue"),
        Broker("angelbroking", "Angel One"),
        Broker("axis", "Axis Direct"),
        Broker("dhan", "Dhan"),
        Broker("edelweiss", "Nuvama"),
        Broker("fisdom", "Fisdom"),
        Broker("fivepaisa", "5paisa"),
        Broker("groww", "Groww"),
        Broker("hdfc", "HDFC Securities"),
        Broker("hdfcsky", "HDFC Sky"),
        Broker("icici", "ICICI Direct"),
        Broker("iifl", "IIFL"),
        Broker("kite", "Zerodha", long_lived=True),
        Broker("kotak", "Kotak"),
        Broker("motilal", "Motilal Oswal"),
        Broker("paytm", "Paytm Money"),
        Broker("sbi", "SBI Securities"),
        Broker("trustline", "Trustline"),
        Broker("upstox", "Upstox"),
    )
}


def broker_profile(key: str | None) -> Broker:
    """Look a broker up by the key of its payload; an unknown one stands for itself.

    Examples
    --------
    >>> broker_profile("kite-leprechaun")
    Broker(key='kite', name='Zerodha', long_lived=True, test_account=True)
    >>> broker_profile("brand-new").long_lived is None
    True
    """
    said = (key or "").strip().lower()
    plain = said.removesuffix(_TEST_SUFFIX)
    found = BROKERS.get(plain, Broker(plain, plain or "unknown", long_lived=None))
    return found._replace(test_account=plain != said)
