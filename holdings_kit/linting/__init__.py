"""What a payload says against what its documentation says.

`published` holds the field tables as data, `leaves` turns a payload into a frame of
its values, `checks` compares the two, `documents` reads a documentation page.
"""

from holdings_kit.linting.lint import FINDINGS, lint
from holdings_kit.linting.published import PUBLISHED

__all__ = ["FINDINGS", "PUBLISHED", "lint"]
