"""The example service, over real HTTP, beside a sandbox."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from examples.service.service import Settings, create_app
from holdings_kit import sandbox
from holdings_kit.clients import serving


class Running(NamedTuple):
    url: str
    sb: sandbox.Sandbox
    folder: Path

    @contextmanager
    def log_in(self, name: str) -> Iterator[httpx.Client]:
        with httpx.Client(base_url=self.url, follow_redirects=True) as client:
            assert client.post("/login", data={"name": name}).status_code == 200
            yield client


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("service")
    with sandbox.serve() as sb:
        settings = Settings(
            folder=folder,
            gateway=sb.gateway,
            api_secrets=(sb.api_secret, "last month's secret"),
            shared_secret=sb.shared_secret,
            base_url=sb.url,
            sdk_url=f"{sb.url}/scdk/2.0.0/scdk.js",
            clock=sb.now,
        )
        with serving(create_app(settings)) as url:
            sb.register_webhook(f"{url}/gateway/webhook")
            yield Running(url, sb, folder)


def import_as(running: Running, client: httpx.Client, persona: str) -> httpx.Response:
    """Be the page: begin, let the user act, hand over what the SDK gave."""
    begun = client.post("/api/import").json()
    running.sb.play(begun["transactionId"], persona=persona)
    running.sb.advance(seconds=10)
    result = {
        "smallcaseAuthToken": running.sb.token_for(persona),
        "transactionId": begun["transactionId"],
        "broker": running.sb.personas[persona].broker,
    }
    return client.post("/api/connected", json=result)


def holdings(client: httpx.Client) -> list[dict[str, Any]]:
    return client.get("/api/holdings").json()


def wait_for(holds: Callable[[], bool]) -> bool:
    """Look again and again: a delivery is read after it was answered."""
    until = time.monotonic() + 10
    while not holds() and time.monotonic() < until:
        time.sleep(0.02)
    return holds()


def test_an_import_ends_in_the_users_holdings_over_all_accounts(
    running: Running,
) -> None:
    with running.log_in("meera") as meera:
        assert holdings(meera) == []
        assert import_as(running, meera, "asha").json() == {"message": "connected"}
        assert wait_for(lambda: len(holdings(meera)) > 0)
        first = holdings(meera)
        import_as(running, meera, "asha2")
        assert wait_for(lambda: len(holdings(meera)) > len(first))
        both = {row["symbol"]: row for row in holdings(meera)}
    alone = {row["symbol"]: row for row in first}
    assert {"BSE", "GOLDETF"} <= both.keys() - alone.keys()
    assert float(both["ZGREEN"]["owned_quantity"]) > float(
        alone["ZGREEN"]["owned_quantity"]
    )
    numbers = [row[name] for row in both.values() for name in row if "quantity" in name]
    assert all(isinstance(number, str) for number in numbers)


def test_the_webhook_alone_links_the_account_of_who_began(running: Running) -> None:
    with running.log_in("gauri") as gauri:
        begun = gauri.post("/api/import").json()
        running.sb.play(begun["transactionId"], persona="gita")
        running.sb.advance(seconds=10)  # the browser never comes back
        assert wait_for(lambda: "SBIN" in {row["symbol"] for row in holdings(gauri)})


def test_an_account_of_another_user_is_a_conflict_and_stays_theirs(
    running: Running,
) -> None:
    with running.log_in("farid") as first, running.log_in("ravi") as second:
        assert import_as(running, first, "farid").status_code == 200
        answer = import_as(running, second, "farid")
        assert answer.status_code == 409
        assert "farid" not in answer.text
        assert wait_for(lambda: len(holdings(first)) > 0)
        assert holdings(second) == []


@pytest.mark.parametrize(
    ("result", "status"),
    [
        ({"smallcaseAuthToken": "a.b.c"}, 400),
        ({"success": False, "error": "user_cancelled", "errorCode": 1010}, 422),
        (["nonsense"], 400),
    ],
)
def test_what_is_no_import_connects_nothing(
    running: Running, result: object, status: int
) -> None:
    with running.log_in("nobody") as client:
        answer = client.post("/api/connected", json=result)
        assert answer.status_code == status
        assert answer.json()["message"]
        assert holdings(client) == []


def test_strangers_get_no_holdings_and_forgers_no_entry(running: Running) -> None:
    with httpx.Client(base_url=running.url) as stranger:
        assert stranger.get("/api/holdings").status_code == 401
        assert stranger.post("/api/import").status_code == 401
        forged = {"securities": [], "timestamp": "2026-01-05T10:15:30Z"}
        assert stranger.post("/gateway/webhook", json=forged).status_code == 401


def test_the_page_escapes_names_and_allows_no_script_but_the_two(
    running: Running,
) -> None:
    with running.log_in('<script>alert("x")</script>') as client:
        page = client.get("/")
    assert "<script>alert" not in page.text
    assert "&lt;script&gt;alert(&quot;x&quot;)" in page.text
    policy = page.headers["content-security-policy"]
    assert f"script-src 'self' {running.sb.url};" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    sources = [part.split('"')[0] for part in page.text.split('src="')[1:]]
    assert sources == [f"{running.sb.url}/scdk/2.0.0/scdk.js", "/static/page.js"]
    with httpx.Client(base_url=running.url) as client:
        for path in ("/static/page.js", "/static/page.css", "/"):
            answer = client.get(path)
            assert answer.status_code == 200
            assert "innerHTML" not in answer.text
            assert "https://" not in answer.text
        assert client.get("/docs").status_code == 404


def test_an_erased_user_is_gone_and_no_retry_brings_them_back(running: Running) -> None:
    sb = running.sb
    with running.log_in("hari") as hari:
        assert import_as(running, hari, "hari").status_code == 200
        assert wait_for(lambda: len(holdings(hari)) > 0)
        assert hari.delete("/api/me").json() == {"accounts": 1}
        assert hari.get("/api/holdings").status_code == 401
        body = json.dumps(sb.deliveries()[-1]["body"]).encode()
        again = hari.post("/gateway/webhook", content=body)
        assert again.status_code == 200
    auth_id = sb.personas["hari"].auth_id.encode()
    everything = running.folder.rglob
    assert wait_for(lambda: not any(auth_id in read(path) for path in everything("*")))


def read(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""
