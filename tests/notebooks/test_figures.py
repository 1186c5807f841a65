"""A figure that a notebook's text or title quotes is one that its cells show."""

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(
    path
    for room in ("explore", "research")
    for path in (ROOT / room).glob("[0-9]*.ipynb")
)
LESSONS = sorted((ROOT / "training").glob("[0-9]*.ipynb"))

# Said of something else than what the cells show: the exchange's and the brokers'
# rules, the level that a call has by itself, real files.
ELSEWHERE = {
    "01_take_a_published_haircut_apart": {"0.995", "277", "35", "50", "75", "7.5 %"},
    "03_backtest_over_horizons": {"99 %"},
    "05_what_haircuts_do_to_the_book": {"60", "80", "99 %"},
    "06_plan_a_pledge": {"0.035 %"},
    "07_do_we_reproduce_the_exchange": {"0.02", "0.995", "88 %"},
}

NUMBER = re.compile(r"(?<![\w.])[\d,]*\d(?:\.\d+)?(?![\d.]*\w)(?:\s(?:lakh|crore|%))?")
TITLE = re.compile(r'title="([^"]*)"')
NO_FIGURE = re.compile(
    r"```.*?```|`[^`]*`|\$[^$]*\$"  # code and formulas
    r"|\bnotebook \d+|^#+ \d+\."  # names of notebooks and of sections
    r"|\d{1,2} (?:January|June|November|December) \d{4}|\bBasel 3\.1"
    r"|\b(?:19|20)\d\d\b|\b50:50\b|\bversion \d",
    re.MULTILINE | re.DOTALL | re.IGNORECASE,
)


def cells_of(path: Path, kind: str) -> list[dict[str, Any]]:
    cells = json.loads(path.read_text())["cells"]
    return [cell for cell in cells if cell["cell_type"] == kind]


def join(text: str | list[str]) -> str:
    return text if isinstance(text, str) else "".join(text)


def titles_of(path: Path) -> list[str]:
    return [
        title
        for cell in cells_of(path, "code")
        for title in TITLE.findall(join(cell["source"]))
    ]


def quoted(path: Path) -> list[str]:
    """Give the figures of the text and of the titles."""
    texts = [join(cell["source"]) for cell in cells_of(path, "markdown")]
    clean = [NO_FIGURE.sub(" ", text) for text in (*texts, *titles_of(path))]
    return [figure for text in clean for figure in NUMBER.findall(text)]


def strip_titles(text: str, titles: list[str]) -> str:
    for title in titles:
        text = text.replace(title, " ")
    return text


def shown(path: Path) -> list[float]:
    """Give the numbers of the code and of the outputs, but not those of the titles."""
    titles, texts = titles_of(path), list[str]()
    for cell in cells_of(path, "code"):
        texts.append(TITLE.sub(" ", join(cell["source"])).replace("_", ""))
        for output in cell["outputs"]:
            data = output.get("data", {"text/plain": output.get("text", "")})
            for kind, value in data.items():
                words = join(value)
                if kind == "image/svg+xml":
                    lines = re.findall(r"<text[^>]*>([^<]*)", words)
                    lines = map(unescape, lines)
                    words = "\n".join(
                        line for line in lines if not any(line in t for t in titles)
                    )
                elif kind == "text/html":
                    words = re.sub(r"<style>.*?</style>", "", words, flags=re.DOTALL)
                    words = unescape(re.sub(r"<[^>]*>", " ", words))
                if kind != "image/png":
                    texts.append(strip_titles(words, titles))
    plain = "\n".join(texts)
    return [
        float(number.replace(",", ""))
        for number in re.findall(r"\d[\d,]*(?:\.\d+)?(?:e-?\d+)?", plain)
    ]


def is_shown(figure: str, numbers: list[float]) -> bool:
    """Tell whether a number rounds to the figure; a share may do so in percent."""
    digits, _, unit = figure.partition(" ")
    places = len(digits.partition(".")[2])
    value = float(digits.replace(",", ""))
    scale = {"lakh": 1e5, "crore": 1e7, "%": 0.01}.get(unit, 1.0)
    scales = (1.0, scale) if unit == "%" else (scale,)
    half = 0.5 * 10.0**-places * 1.000001
    return any(abs(number / by - value) <= half for by in scales for number in numbers)


@pytest.mark.parametrize(
    "path", NOTEBOOKS, ids=lambda path: f"{path.parent.name}/{path.stem}"
)
def test_figures_in_the_text_are_shown(path: Path) -> None:
    numbers, figures = shown(path), quoted(path)
    known = ELSEWHERE.get(path.stem, set())
    missing = {figure for figure in figures if not is_shown(figure, numbers)}
    assert missing == known
    assert figures


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_figures_of_a_lesson_in_bold_are_shown(path: Path) -> None:
    first = join(cells_of(path, "markdown")[0]["source"])
    bold = re.findall(r"^\*\*(.*)\*\*$", first, re.MULTILINE)
    texts = [NO_FIGURE.sub(" ", text) for text in (*bold, *titles_of(path))]
    figures = [figure for text in texts for figure in NUMBER.findall(text)]
    numbers = shown(path)
    assert figures
    assert [figure for figure in figures if not is_shown(figure, numbers)] == []


def test_a_wrong_figure_would_be_found() -> None:
    numbers = [4.3342, 292670.17, 0.0593]
    assert is_shown("4.33", numbers)
    assert is_shown("2.93 lakh", numbers)
    assert is_shown("5.93 %", numbers)
    assert not is_shown("4.34", numbers)
    assert not is_shown("2.92 lakh", numbers)
    assert not is_shown("5.9", numbers)
