"""What docs/sandbox.md and examples/sandbox tell a stranger to do works."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx
import pytest
import yaml
from typer.testing import CliRunner

import holdings_kit as hk
from holdings_kit import cli, sandbox
from holdings_kit.clients import Options
from holdings_kit.errors import ConfigError

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/sandbox.md").read_text()
NODE = shutil.which("node")


def block(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    assert found is not None, language
    return found[1]


def run(words: list[str], folder: Path, **environment: str) -> str:
    done = subprocess.run(
        words,
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_strangers_pytest_knows_the_fixture_and_loads_nothing_before(
    tmp_path: Path,
) -> None:
    text = block("python")
    (tmp_path / "test_stranger.py").write_text(text)
    light = (
        "import sys, pytest, holdings_kit.sandbox._pytest_plugin\n"
        "sys.exit(bool({'polars', 'starlette', 'httpx'} & set(sys.modules)))"
    )
    heavy = ("schemathesis", "nbval", "hypothesispytest", "xdist")  # not a stranger's
    without = [word for name in heavy for word in ("-p", f"no:{name}")]
    words = [sys.executable, "-m", "pytest", "-q", "--strict-markers", *without]
    shown = run(words, tmp_path)
    assert "1 passed" in shown
    run([sys.executable, "-c", light], tmp_path)
    assert len(text.strip().splitlines()) < 20


@pytest.mark.skipif(NODE is None, reason="no node on this machine")
def test_the_node_script_goes_through_an_import(tmp_path: Path) -> None:
    script = block("js")
    assert len([line for line in script.splitlines() if line]) <= 30
    (tmp_path / "import.mjs").write_text(script)
    with sandbox.serve() as sb:
        access = json.dumps(sb.access())
        shown = run([str(NODE), "import.mjs"], tmp_path, SANDBOX=access)
        assert [one["status"] for one in sb.transactions()] == ["COMPLETED"]
    assert shown == "true 5\n"


def test_the_people_of_the_page_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "people.yaml").write_text(block("yaml"))
    with sandbox.serve(personas=tmp_path / "people.yaml") as sb:
        assert sb.personas["maya"].broker == "kite"


def test_a_client_talks_plain_http_only_to_this_machine_and_allowed_hosts() -> None:
    answer = httpx.MockTransport(lambda _: httpx.Response(200, json={"data": []}))

    def ask(hosts: set[str]) -> int:
        options = Options(transport=answer, plain_http_hosts=hosts)
        with hk.ArrowClient(
            app_id="a",
            token="t",
            account_id="A",
            base_url="http://sandbox:8400",
            options=options,
        ) as client:
            return client.holdings().snapshots.height

    assert ask({"Sandbox"}) == 1
    for hosts in (set[str](), {"other"}):
        with pytest.raises(ConfigError, match="plain_http_hosts"):
            ask(hosts)


def steps_of(dockerfile: Path) -> dict[str, list[str]]:
    """Read a Dockerfile: its steps by instruction."""
    found: dict[str, list[str]] = {}
    for line in dockerfile.read_text().splitlines():
        if line and not line.startswith("#"):
            name, _, rest = line.partition(" ")
            found.setdefault(name, []).append(rest)
    return found


def test_the_container_is_built_and_serves_by_the_steps_of_its_file(
    tmp_path: Path,
) -> None:
    """The steps one by one, without a daemon; packages come from this environment."""
    steps = steps_of(ROOT / "examples/sandbox/Dockerfile")
    allowed = (ROOT / ".dockerignore").read_text()
    source = tmp_path / "src"
    source.mkdir()
    for copied in steps["COPY"]:
        *names, target = copied.split()
        for name in names:
            assert f"!{name}\n" in allowed
            place = tmp_path / target.removeprefix("/")
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, place)
            else:
                shutil.copy(ROOT / name, place / name)
    (install,) = steps["RUN"]
    assert '"/src[sandbox]"' in install
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", "made"]
    run([*build, str(source)], tmp_path)
    (wheel,) = (tmp_path / "made").glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(tmp_path / "site")
    entry = json.loads(steps["ENTRYPOINT"][0])
    words = [*entry[1:], *json.loads(steps["CMD"][0])]
    words[words.index("8400")] = "0"
    main = "from holdings_kit.cli import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", main, *words],
        env=os.environ | {"PYTHONPATH": str(tmp_path / "site")},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        check = shlex.split(steps["HEALTHCHECK"][0].partition("CMD ")[2].strip("[]"))
        code = check[-1].replace("http://127.0.0.1:8400", url)
        try:
            run([sys.executable, "-c", code], tmp_path)
            for host, status in (("sandbox:8400", 200), ("elsewhere", 400)):
                reply = httpx.get(f"{url}/_sandbox/clock", headers={"host": host})
                assert reply.status_code == status
        finally:
            process.terminate()


def test_the_compose_file_asks_for_what_the_command_knows() -> None:
    compose = yaml.safe_load((ROOT / "examples/sandbox/compose.yaml").read_text())
    box, app = compose["services"]["sandbox"], compose["services"]["app"]
    known = CliRunner().invoke(cli.app, ["sandbox", "--help"], env={"COLUMNS": "200"})
    flags = [word.partition("=")[0] for word in box["command"]]
    assert [flag for flag in flags if flag not in known.output] == []
    build = box["build"]
    assert (ROOT / "examples/sandbox" / build["context"]).resolve() == ROOT
    assert (ROOT / build["dockerfile"]).is_file()
    hosts = {word.split("=")[1] for word in box["command"] if "allow-host" in word}
    asked = {url.split("/")[2].split(":")[0] for url in app["environment"].values()}
    assert asked | {"app"} == hosts
