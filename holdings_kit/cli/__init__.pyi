from ._commands import app as app

def main() -> None: ...

__all__: list[str]  # noqa: PYI035, made of the names above
