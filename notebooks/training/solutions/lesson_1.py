from datetime import UTC, timedelta

import jwt


def sign(shared_secret, auth_id, now):
    payload = {"guest": True} if auth_id is None else {"smallcaseAuthId": auth_id}
    times = {"iat": now, "exp": now + timedelta(hours=1)}
    return jwt.encode(payload | times, shared_secret, algorithm="HS256")


def read(shared_secret, token, now):
    options = {"verify_exp": False, "verify_iat": False}
    claims = jwt.decode(token, shared_secret, algorithms=["HS256"], options=options)
    if "exp" in claims and claims["exp"] <= now.astimezone(UTC).timestamp():
        raise ValueError("the token has expired")
    if not claims.get("smallcaseAuthId"):
        raise ValueError("a guest's token: nobody has connected yet")
    return claims["smallcaseAuthId"]
