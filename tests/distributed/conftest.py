"""Real processes, started once."""

import pytest

from tinytorch.distributed import DaskWorkers


@pytest.fixture(scope="package")
def dask_workers():
    with DaskWorkers(2) as workers:
        yield workers
