from decimal import Decimal


def read_funds(data):
    funds = data.get("mutualFunds")
    if funds is None:
        return None  # not asked for
    return {(row["folio"], row["isin"]): read_fund(row) for row in funds["holdings"]}


def read_fund(row):
    units, price = number(row.get("quantity")), number(row.get("lastPrice"))
    known = units is not None and price is not None
    return {"quantity": units, "value": units * price if known else None}


def number(value):
    return None if value is None else Decimal(str(value))
