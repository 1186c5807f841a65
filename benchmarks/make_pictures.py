"""Make the README's two pictures: the demo's report, and the risk explorer.

``make pictures`` runs the demo and the explorer's browser test, then this.
"""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from tests.browser.conftest import find_chromium

ROOT = Path(__file__).parents[1]
ARTEFACTS = ROOT / "artefacts"
WIDTH, MOST = 1000, 1200


def photograph_report(page: Path) -> bytes:
    """Take a picture of the demo's report as a window of 1080 pixels shows it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(playwright))
        tab = browser.new_page(viewport={"width": 1080, "height": 1000})
        tab.goto(page.as_uri())
        picture = tab.screenshot(full_page=True)
        browser.close()
    return picture


def save_small(picture: bytes, name: str) -> None:
    """Write it 1000 pixels wide, cut below, in 256 colours."""
    with Image.open(io.BytesIO(picture)) as full:
        height = round(full.height * WIDTH / full.width)
        small = full.convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS)
    cut = small.crop((0, 0, WIDTH, min(height, MOST)))
    path = ROOT / "docs" / "pictures" / f"{name}.png"
    path.parent.mkdir(exist_ok=True)
    cut.quantize(256, Image.Quantize.MEDIANCUT).save(path, optimize=True)
    print(path.relative_to(ROOT), f"{path.stat().st_size // 1024} kB")


if __name__ == "__main__":
    save_small(photograph_report(ARTEFACTS / "demo" / "report.html"), "report")
    save_small((ARTEFACTS / "browser" / "risk.png").read_bytes(), "explorer")
