"""Wire formats: bytes in, frames or facts out; no I/O in here."""
