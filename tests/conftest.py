"""What all tests share: property tests that neither hurry nor roll dice.

The same examples every time (`make test` must mean the same everywhere); `make fuzz`
and ``HYPOTHESIS_PROFILE=random`` look for new ones.
"""

import os

from hypothesis import HealthCheck, settings

_EASY = {
    "deadline": None,
    "suppress_health_check": [HealthCheck.too_slow],
}
settings.register_profile("steady", derandomize=True, **_EASY)
settings.register_profile("random", derandomize=False, **_EASY)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "steady"))
