"""Where batches run: what cannot run says so in a sentence."""

import pytest

from fleet.errors import Unavailable
from flows.runners import runner_of


@pytest.mark.parametrize("scheduler", ["nonsense://here", "tcp://127.0.0.1:notaport"])
def test_a_dask_scheduler_that_cannot_be_is_named(scheduler: str) -> None:
    with pytest.raises(Unavailable, match="No Dask scheduler answers at"), runner_of("dask", 2, scheduler):
        pass
