from decimal import Decimal


def connect(links, user, auth_id):
    owner = links.setdefault(auth_id, user)
    return 200 if owner == user else 409


def merge(snapshots):
    lots = {}
    for snapshot in snapshots:
        for row in snapshot["securities"]:
            lots.setdefault(row["isin"], []).append(row["holdings"])
    return {isin: add_up(parts) for isin, parts in lots.items()}


def add_up(parts):
    pairs = [(number(p["quantity"]), number(p["averagePrice"])) for p in parts]
    pairs = [(quantity, average) for quantity, average in pairs if quantity]
    quantity = sum(quantity for quantity, _ in pairs)
    if not quantity or any(not average for _, average in pairs):
        return {"quantity": quantity, "average": None}
    cost = sum(quantity * average for quantity, average in pairs)
    return {"quantity": quantity, "average": cost / quantity}


def number(value):
    return None if value is None else Decimal(str(value))
