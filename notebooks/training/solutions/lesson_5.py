from decimal import Decimal


def number(row, name):
    text = str(row.get(name, "")).strip()
    return Decimal(text) if text else None


def positive(row, name):
    found = number(row, name)
    return found or None


def read_row(row):
    parts = [number(row, n) for n in ("depositoryQty", "t1Qty", "brokerCollateralQty")]
    reported = number(row, "qty")
    known = None not in parts and reported is not None
    owned = sum(parts) if None not in parts else reported
    close, average = positive(row, "close"), positive(row, "avgPrice")
    price = positive(row, "ltp") or close
    haircut = number(row, "haircut")
    if haircut == 0 and close is None:
        haircut = None
    return {
        "owned": owned,
        "pledged": parts[2],
        "reconciles": sum(parts) == reported if known else None,
        "price": price,
        "pnl": owned * (price - average) if price and average else None,
        "haircut": haircut / 100 if haircut is not None else None,
    }
