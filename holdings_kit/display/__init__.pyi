from . import plot as plot
from ._export import export as export, to_pandas as to_pandas
from ._frame_view import show as show
from ._html_report import write_report as write_report
from ._json_schema import json_schema as json_schema
from ._numbers import number_of as number_of
from ._report import (
    portfolio_report as portfolio_report,
    read_for_report as read_for_report,
)
from ._versions import show_versions as show_versions
