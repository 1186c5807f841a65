from .changes import SnapshotComparison as SnapshotComparison
from .importing import ImportTrigger as ImportTrigger
from .laboratory import HaircutLab as HaircutLab
from .risk import RiskExplorer as RiskExplorer
from .table import HoldingsTable as HoldingsTable

__all__: list[str]  # noqa: PYI035, made of the names above
