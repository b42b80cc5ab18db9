import numpy as np
import pytest

from tinytorch.distributed import Connection, LocalWorkers, Traffic, measure_connection
from tinytorch.distributed.connection import _fit


def test_the_time_of_messages():
    connection = Connection(round_trip=0.5, message=0.25, byte=0.001)
    assert connection.seconds(Traffic(2, 6, 100, 900)) == pytest.approx(1.0 + 1.5 + 1.0)


def test_costs_are_found_from_times_and_never_below_zero():
    rows = np.array([(1, m, m * size) for m in (1, 3) for size in (1e3, 1e5, 1e6)])
    costs = np.array([4e-4, 7e-4, 2e-9])
    np.testing.assert_allclose(_fit(rows, rows @ costs), costs, rtol=1e-6)
    falling = _fit(rows, rows @ [1e-3, 1e-3, 0] - 1e-10 * rows[:, 2])
    assert falling[2] == 0
    assert min(falling) >= 0


@pytest.mark.parametrize("num_workers", [1, 3])
def test_echoes_take_time(num_workers):
    calls = []
    found = measure_connection(
        LocalWorkers(num_workers), sizes=(400, 400_000), repeats=3, between=lambda: calls.append(1)
    )
    assert len(calls) == 3 * 2 * (1 if num_workers == 1 else 2)
    assert found.seconds(Traffic(1, num_workers, 400, 400)) > 0


def test_echoes_of_processes(dask_workers):
    found = measure_connection(dask_workers, sizes=(400, 40_000), repeats=3)
    assert found.seconds(Traffic(1, 2, 400, 400)) > 0
