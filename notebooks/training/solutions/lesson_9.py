from decimal import Decimal


def reconcile(delivery, fetched):
    if fetched is None:
        return "wait"
    return "accept" if facts(delivery) == facts(fetched) else "dispute"


def facts(data):
    smallcases = data.get("smallcases") or {}
    private = smallcases.get("private") or []
    if isinstance(private, dict):  # {"stats": …} or {"investments": […]}
        private = private.get("investments") or []
    baskets = [*(smallcases.get("public") or []), *private]
    return (
        data["smallcaseAuthId"],
        {row["isin"]: share(row) for row in data["securities"]},
        sorted((one["scid"], constituents(one)) for one in baskets),
    )


def share(row):
    held = row["holdings"]
    positions = [number(p.get("quantity")) for p in row.get("positions", {}).values()]
    return number(held["quantity"]), number(held["averagePrice"]), positions


def constituents(basket):
    return sorted((c["ticker"], number(c["shares"])) for c in basket["constituents"])


def number(value):
    return None if value is None else Decimal(str(value))
