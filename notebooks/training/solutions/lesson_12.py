import json
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


ENDED = {
    "TransactionIdNotFound",
    "TransactionIdExpired",
    "wrong_attempts_exceeded",
}


def import_funds(transaction_id, post, ask):
    for _ in range(3):
        pan = ask("pan")
        email = pan and ask("email")
        if not email:
            return "give up"
        asked = {"transactionId": transaction_id, "pan": pan, "email": email}
        reply = post("/gateway/mf/getOtp", asked)
        if reply.status != 422:  # else the user can mend it
            break
    if reply.status != 200:
        return after(reply)
    while otp := ask("otp"):  # the registrars end it at the fifth
        said = {"transactionId": transaction_id, "otp": otp}
        reply = post("/gateway/mf/verifyOtp", said)
        if reply.status == 200:
            return "imported"
        if reply.status != 406:
            return after(reply)
    return "give up"


def after(reply):
    if reply.status != 400:
        return "give up"
    reasons = json.loads(reply.body)["errors"]
    return "new transaction" if ENDED & set(reasons) else "give up"
