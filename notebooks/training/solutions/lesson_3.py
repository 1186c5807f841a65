import hashlib
import hmac
import json


def handler(body, api_secret):
    try:
        said = json.loads(body, parse_int=str)
    except ValueError:
        return 400
    if not isinstance(said, dict):
        return 400
    timestamp, checksum = said.get("timestamp"), said.get("checksum")
    if not isinstance(timestamp, str) or not isinstance(checksum, str):
        return 401
    for subject in (said.get("smallcaseAuthId"), said.get("transactionId")):
        message = f"{timestamp}{subject}".encode()
        wanted = hmac.new(api_secret.encode(), message, hashlib.sha256).hexdigest()
        if hmac.compare_digest(wanted.encode(), checksum.encode()):
            return 200
    return 401
