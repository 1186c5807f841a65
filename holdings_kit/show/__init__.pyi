from . import plot as plot
from ._html_report import (
    write_report as write_report,
)
from ._report import (
    counted as counted,
)
from ._report import (
    portfolio_report as portfolio_report,
)
from ._words import (
    number_of as number_of,
)
