"""`holdings-kit market FOLDER` says what is there, what is missing, what is wrong."""

from pathlib import Path

from typer.testing import CliRunner

from holdings_kit import cli

HEAD = "SYMBOL, SERIES, DATE1, CLOSE_PRICE\n"


def test_the_command_names_missing_sessions_and_what_was_set_aside(
    tmp_path: Path,
) -> None:
    for day in ("30-Jan-2026", "02-Feb-2026", "04-Feb-2026"):
        (tmp_path / f"{day}.csv").write_text(f"{HEAD}SBIN, EQ, {day}, 950.10\n")
    (tmp_path / "notes.txt").write_text("hello")
    done = CliRunner().invoke(cli.app, ["market", str(tmp_path)])
    assert done.exit_code == 0, done.output
    shown = done.output
    assert "Market of 4 files: 3 prices (2026-01-30 to 2026-02-04)" in shown
    assert "sec_bhavdata       3 rows in 3 files, 2026-01-30 to 2026-02-04" in shown
    # 1 February is a Sunday with a budget session
    assert "price file: 2: 2026-02-01, 2026-02-03" in shown
    assert "set aside: 1" in shown
    assert "notes.txt: is of no known kind" in shown


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli.app, ["market", str(tmp_path / "none")])
    assert done.exit_code != 0
    assert "no such file or folder" in str(done.exception)
