"""One decoder per wire format: bytes in, frames out, no I/O."""
