"""Run notebooks and store what they show: python -m benchmarks.store_outputs [PATH …].

Without a path, every notebook. A widget leaves the table or the words that a page
without a kernel shows of it; a picture is kept as a drawing, and as pixels in few
colours for readers that show no drawings.
"""

from __future__ import annotations

import sys
from base64 import b64decode, b64encode
from io import BytesIO
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from PIL import Image

NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
COLOURS = 48
WIDGET = "application/vnd.jupyter.widget-view+json"


def store_outputs(path: Path) -> None:
    notebook: Any = nbformat.read(path, as_version=4)
    language = notebook["metadata"]["language_info"]
    client = NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
        record_timing=False,
    )
    client.execute()
    notebook["metadata"] = {
        "kernelspec": notebook["metadata"]["kernelspec"],
        "language_info": language,  # else each machine would write its own version
    }
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = [
                keep_output(output)
                for output in cell["outputs"]
                if WIDGET not in output.get("data", {})
            ]
            cell["execution_count"] = 0 if cell["outputs"] else None
    nbformat.write(notebook, path)
    sys.stdout.write(f"{path.stat().st_size / 1024:6.0f} KiB  {path.name}\n")


def keep_output(output: dict[str, Any]) -> dict[str, Any]:
    data = output.get("data", {})
    if "image/png" in data:
        data["image/png"] = reduce_colours(data["image/png"])
    if "execution_count" in output:
        output["execution_count"] = 0
    return output


def reduce_colours(png: str) -> str:
    """Keep as many colours as a chart has, without speckles."""
    picture = Image.open(BytesIO(b64decode(png))).convert("RGB")
    few = picture.quantize(COLOURS, dither=Image.Dither.NONE)
    out = BytesIO()
    few.save(out, "PNG", optimize=True)
    return b64encode(out.getvalue()).decode()


def main() -> None:
    named = [Path(name) for name in sys.argv[1:]]
    for path in named or sorted(NOTEBOOKS.rglob("[0-9]*.ipynb")):
        store_outputs(path)


if __name__ == "__main__":
    main()
