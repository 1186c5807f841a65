"""A report as one HTML file that needs nothing else, and its frames as parquet."""

from __future__ import annotations

import base64
import io
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from holdings_kit.display import plot
from holdings_kit.display._report import figures, sections
from holdings_kit.display._report_text import find_figure_columns, write_cells
from holdings_kit.portfolio._prices import BASES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import polars as pl

    from holdings_kit.display._report import Figures, Section
    from holdings_kit.schema import FrameLike, Loaded

__all__ = ["write_report"]

Picture: TypeAlias = Any  # a Figure; matplotlib leaves its methods untyped

_STYLE: Final = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto;
       padding: 0 1rem; color: #1a1a1a; background: #fff; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .6rem; text-align: left; border-bottom: 1px solid #ddd;
         white-space: nowrap; }
.figure { text-align: right; }
img { max-width: 100%; height: auto; }
div { overflow-x: auto; }
"""


def write_report(
    loaded: Loaded,
    folder: str | Path,
    *,
    title: str = "Holdings",
    prices: FrameLike | pl.LazyFrame | None = None,
    prefer: Sequence[str] = BASES,
) -> Path:
    """Write ``report.html`` and the frames behind it as parquet into a folder.

    The page holds its pictures and loads nothing: it can be mailed. Beside it stand
    ``holdings``, ``positions``, ``collateral``, ``snapshots`` and ``rejects``, each
    ``.parquet``, exact. What is there under these names is replaced.

    Parameters
    ----------
    loaded
        One snapshot per account, e.g. what `Store.current` gives.
    folder
        Made if it is not there.
    title
        Of the page.
    prices, prefer
        Prices for what the payloads leave open, and the order of the bases, as for
        `consolidate`.

    Returns
    -------
    Path
        Of the page.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from tempfile import TemporaryDirectory
    >>> import holdings_kit as hk
    >>> body = b'''{"securities": [{"isin": "INE062A01020", "nseTicker": "SBIN",
    ... "holdings": {"quantity": 3, "averagePrice": 801.5}}], "smallcaseAuthId": "a1",
    ... "snapshotDate": "2026-01-05T10:15:30.123Z"}'''
    >>> loaded = hk.read_gateway(body, fetched_at=datetime(2026, 1, 5, 11, tzinfo=UTC))
    >>> with TemporaryDirectory() as folder:
    ...     page = write_report(loaded, folder)
    ...     page.name, len(list(page.parent.glob("*.parquet")))
    ('report.html', 5)
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    made = figures(loaded, prices=prices, prefer=prefer)
    frames = {
        "holdings": loaded.holdings,
        "positions": made.positions,
        "collateral": made.collateral,
        "snapshots": loaded.snapshots,
        "rejects": loaded.rejects,
    }
    for name, frame in frames.items():
        frame.write_parquet(folder / f"{name}.parquet")
    body = [f"<h1>{escape(title)}</h1>"]
    body += [_write_section(part) for part in sections(loaded, made)]
    body += [
        "<h2>Pictures</h2>",
        *(_draw_picture(each) for each in _draw_pictures(made)),
    ]
    page = folder / "report.html"
    page.write_text(
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n"
        f"<body>\n{chr(10).join(body)}\n</body></html>\n",
        encoding="utf-8",
    )
    return page


def _write_section(part: Section) -> str:
    pieces = [f"<h2>{escape(part.title)}</h2>"]
    if part.text:
        pieces.append(f"<p>{escape(part.text)}</p>")
    if part.table is not None:
        pieces.append(_write_html_table(part.table))
    if part.points:
        items = "".join(f"<li>{escape(point)}</li>" for point in part.points)
        pieces.append(f"<ul>{items}</ul>")
    return "\n".join(pieces)


def _write_html_table(frame: pl.DataFrame) -> str:
    texts = write_cells(frame)
    right = [name in find_figure_columns(texts) for name in texts.columns]
    head = _write_row(texts.columns, right, tag="th", scope=' scope="col"')
    rows = "\n".join(_write_row(row, right) for row in texts.rows())
    return f"<div><table><thead>{head}</thead><tbody>{rows}</tbody></table></div>"


def _write_row(
    cells: Sequence[str], right: Sequence[bool], *, tag: str = "td", scope: str = ""
) -> str:
    made = "".join(
        f"<{tag}{scope}{' class=figure' if figure else ''}>{escape(cell)}</{tag}>"
        for cell, figure in zip(cells, right, strict=True)
    )
    return f"<tr>{made}</tr>"


def _draw_pictures(made: Figures) -> Iterator[Picture]:
    yield plot.concentration(made.reported, made.positions)
    yield plot.pnl_bars(made.positions)


def _draw_picture(figure: Picture) -> str:
    image = io.BytesIO()
    figure.savefig(image, format="png", dpi=110, metadata={"Software": None})
    data = base64.b64encode(image.getvalue()).decode()
    alt = escape(plot.alt_text(figure), quote=True)
    return f'<p><img alt="{alt}" src="data:image/png;base64,{data}"></p>'
