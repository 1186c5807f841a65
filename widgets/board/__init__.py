"""Figures and rows that Python writes as HTML, with buttons that ask it for more."""

from widgets.board.view import Board, cover, money, rest_row, tile, toned

__all__ = ["Board", "cover", "money", "rest_row", "tile", "toned"]
