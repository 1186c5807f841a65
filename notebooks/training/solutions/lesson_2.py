MENDED = {"transaction_expired", "user_cancelled", "internal_error"}


def build(gateway, api_secret, token, notes):
    if notes is not None and len(notes) > 256:
        raise ValueError("notes have at most 256 characters")
    body = {"intent": "HOLDINGS_IMPORT", "version": "v2"}
    if notes is not None:
        body["notes"] = notes
    headers = {"x-gateway-secret": api_secret, "x-gateway-authtoken": token}
    return f"/gateway/{gateway}/transaction", headers, body


def follow(details):
    status = details["status"]
    message = (details.get("error") or {}).get("message")
    if status in {"INITIALIZED", "USED", "PROCESSING"} or message == "timed_out":
        return "wait"  # the browser stopped looking; the import may still complete
    if status == "COMPLETED":
        return "fetch"
    if status in {"EXPIRED", "CANCELLED"} or message in MENDED:
        return "new transaction"
    return "give up"
