import hashlib
import hmac
import json
from urllib.parse import urlsplit


def find(body, secrets):
    try:
        delivery = json.loads(body, parse_int=str)
        message = delivery["timestamp"] + delivery["smallcaseAuthId"]
        checksum = delivery["checksum"].encode()
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
    for index, secret in enumerate(secrets):
        wanted = hmac.new(secret.encode(), message.encode(), hashlib.sha256)
        if hmac.compare_digest(wanted.hexdigest().encode(), checksum):
            return index
    return None


def record(call):
    path = urlsplit(call["url"]).path  # what follows the ? names a user
    return {
        "source": call["source"],
        "call": f"{call['method']} {path}",
        "status": call["status"],
        "seconds": call["seconds"],
    }
