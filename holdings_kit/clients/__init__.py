"""The clients of the two sources; the only part that talks HTTP."""
