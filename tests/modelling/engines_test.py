"""Which schedulers a prediction is given to."""

from __future__ import annotations

import pytest

from cli.errors import InputError
from modelling.scoring.engines import choose_engine
from modelling.settings import PredictSettings


def chosen(scheduler: str, *, plain: bool = False) -> object:
    settings = PredictSettings(engine="dask", scheduler=scheduler, allow_plain_scheduler=plain)
    return choose_engine(settings, "iris")


# The addresses are those of RFC 5737 and 3849, which belong to nobody.
ELSEWHERE = [
    "tcp://192.0.2.1:8786",
    "192.0.2.1:8786",
    "ws://192.0.2.1:8786",
    "tcp://[2001:db8::1]:1",
]


@pytest.mark.parametrize("scheduler", [*ELSEWHERE, "tcp://no-such-host.invalid:8786", "tcp://"])
def test_a_scheduler_elsewhere_without_tls_is_refused_unless_a_setting_allows_it(
    scheduler: str,
) -> None:
    with pytest.raises(InputError, match="is on another machine and has no TLS"):
        chosen(scheduler)
    assert chosen(scheduler, plain=True)


@pytest.mark.parametrize(
    "scheduler",
    [
        "tls://192.0.2.1:8786",
        "wss://192.0.2.1:1",
        "tcp://127.0.0.1:8786",
        "localhost:1",
        "tcp://[::1]:1",
    ],
)
def test_a_scheduler_with_tls_or_on_this_machine_is_used(scheduler: str) -> None:
    assert chosen(scheduler)
