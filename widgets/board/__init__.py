"""Figures and rows that Python writes as HTML, with buttons that ask it for more."""

from widgets.board.view import Board, unknown

__all__ = ["Board", "unknown"]
