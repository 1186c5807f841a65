from ._clock import Clock as Clock
from ._faults import parse_faults as parse_faults
from ._generate import generate as generate
from ._life import Life as Life, life as life
from ._server import (
    Sandbox as Sandbox,
    arrow_client as arrow_client,
    gateway_client as gateway_client,
    serve as serve,
)
