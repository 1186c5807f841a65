"""The reference has every public name; pages that are promised are as promised."""

import importlib
import inspect
import pkgutil
import re
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

import holdings_kit as hk

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def public_names() -> set[tuple[str, str]]:
    """Every module a user imports from, with every name it gives."""
    found = [m.name for m in pkgutil.iter_modules(hk.__path__)]
    rooms: list[Any] = [
        importlib.import_module(f"holdings_kit.{name}")
        for name in found
        if name not in {"cli", "widgets"}  # commands; the package `widgets`, added here
    ]
    rooms += [hk, hk.plot, hk.identity, hk.cluster, hk.population]
    rooms += [hk.haircuts.statistics, importlib.import_module("widgets")]
    return {(room.__name__, name) for room in rooms for name in room.__all__}


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> str:
    spec = spec_from_file_location("site_conf", ROOT / "docs/conf.py")
    assert spec is not None
    assert spec.loader is not None
    conf: Any = module_from_spec(spec)
    spec.loader.exec_module(conf)
    folder = tmp_path_factory.mktemp("site")
    conf.write_reference(folder)
    return "\n".join(page.read_text() for page in sorted(folder.glob("api/*.md")))


def test_every_public_name_is_in_the_reference(reference: str) -> None:
    names = public_names()
    assert len(names) > 300
    listed = set(
        re.findall(r"^\.\. auto(?:class|function):: (\S+)$", reference, re.MULTILINE)
    )
    values = set(re.findall(r"^#{1,3} (?:hk\.)?(\w+)$", reference, re.MULTILINE))
    pages = set(re.findall(r"^# (\S+)$", reference, re.MULTILINE))
    entries = {id(import_path(path)) for path in listed}
    for room, name in names:
        value = getattr(importlib.import_module(room), name)
        if inspect.ismodule(value):
            there = bool({f"hk.{name}", value.__name__} & pages)
        elif inspect.isclass(value) or inspect.isroutine(value):
            there = id(value) in entries
        else:
            there = name in values
        assert there, f"{room}.{name} is not in the reference"


def import_path(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


def test_the_reference_lists_each_name_of_hk_with_its_first_words(
    reference: str,
) -> None:
    for name in hk.__all__:
        words = (inspect.getdoc(getattr(hk, name)) or "").split("\n")[0].split("`")[0]
        assert f"| [`hk.{name}`]({name}.md) | {words}" in reference, name


def test_the_readme_opens_with_two_pictures_and_names_everything() -> None:
    readme = (ROOT / "README.md").read_text()
    opening, _, _ = readme.partition("\n## ")
    pictures = re.findall(r"!\[[^\]]{40,}\]\((\S+)\)", opening)
    assert [Path(each).name for each in pictures] == ["report.png", "explorer.png"]
    assert all((ROOT / each).is_file() for each in pictures)
    named = set(re.findall(r"\bhk\.(\w+)", readme))
    assert set(hk.__all__) - named == set()


def test_the_glossary_has_at_most_ten_words() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    glossary = page.partition("## Ten words\n")[2].partition("\n## ")[0]
    words = re.findall(r"^\| (?!word)(\w+) \| .{10,} \|$", glossary, re.MULTILINE)
    assert 5 < len(words) <= 10


TASKS = (
    *("worth", "largest", "sold", "account do", "Excel", "measure of my own"),
    *("own haircut", "publish", "the exchange's", "find the function"),
)


def test_each_of_the_ten_tasks_is_at_most_eight_lines() -> None:
    page = (ROOT / "docs/tasks.md").read_text()
    _, *tasks = re.split(r"^## \d+\. ", page, flags=re.MULTILINE)
    assert len(tasks) == len(TASKS)
    for task, words in zip(tasks, TASKS, strict=True):
        title, _, body = task.partition("\n")
        assert words in title
        code = "".join(FENCE.findall(body))
        lines = re.findall(r"^(?:>>>|\.\.\.) ", code, re.MULTILINE)
        assert 0 < len(lines) <= 8, title


@pytest.mark.parametrize("role", ["quant", "researcher", "integrator"])
def test_each_role_has_a_short_start_that_is_run(role: str) -> None:
    page = (ROOT / f"docs/start/{role}.md").read_text()
    assert len(page.splitlines()) < 110
    assert len(FENCE.findall(page)) >= 4
    assert re.search(r"--doctest-glob=.*(?:\\\n.*)*docs/start", makefile())
    assert f"start/{role}.md" in (ROOT / "docs/index.md").read_text()


def makefile() -> str:
    return (ROOT / "Makefile").read_text()
