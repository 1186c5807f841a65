import json

AGAIN = {429, 500, 502, 503, 504}


def fetch(get, sleep):
    seen = "nothing"
    for attempt in range(6):
        status, headers, body = get()
        if status == 200:
            try:
                said = json.loads(body)
            except ValueError:
                seen = "a reply that is no JSON"
            else:
                if not said.get("success"):
                    raise RuntimeError(f"refused: {said.get('errors')}")
                return said
        elif status in AGAIN:
            seen = f"status {status}"
        else:
            raise PermissionError(f"status {status}")
        sleep(float(headers.get("retry-after", 2**attempt)))
    raise TimeoutError(f"gave up after {seen}")
