import tracemalloc
from types import SimpleNamespace

import numpy as np
import pytest

from tinytorch.profiling import Latency, Profiler, profiler

MIB = 2**20


@pytest.fixture
def stopped_clock(monkeypatch):
    """A clock that moves only when a test moves it, in seconds."""
    clock = SimpleNamespace(now=100.0)
    clock.perf_counter = lambda: clock.now
    monkeypatch.setattr(profiler, "time", clock)
    return clock


def taking(clock, *milliseconds):
    durations = iter(milliseconds)

    def work():
        clock.now += next(durations) / 1e3

    return work


def test_median_and_spread_ignore_the_outlier(stopped_clock):
    latency = Profiler().measure_latency(
        taking(stopped_clock, 900, 3, 1, 100, 2, 4), warmup=1, iterations=5
    )
    assert latency.samples_ms == pytest.approx((3, 1, 100, 2, 4))
    assert latency.median_ms == pytest.approx(3)
    assert latency.spread_ms == pytest.approx(2)


def test_median_of_an_even_number_lies_between_the_middle_two(stopped_clock):
    latency = Profiler().measure_latency(taking(stopped_clock, 8, 2, 4, 6), warmup=0, iterations=4)
    assert latency.median_ms == pytest.approx(5)
    assert latency.spread_ms == pytest.approx(3)


def test_one_iteration_has_no_spread(stopped_clock):
    latency = Profiler().measure_latency(taking(stopped_clock, 7), warmup=0, iterations=1)
    assert (latency.median_ms, latency.spread_ms) == (pytest.approx(7), 0)


def test_latency_reads_as_a_time_and_its_half_spread():
    assert str(Latency(12.34, 0.5, (12.34,))) == "12.3 ms (± 0.25)"


def test_real_time_passes():
    latency = Profiler().measure_latency(sum, range(20_000), iterations=3)
    assert len(latency.samples_ms) == 3
    assert min(latency.samples_ms) <= latency.median_ms <= max(latency.samples_ms)
    assert min(latency.samples_ms) > 0


@pytest.mark.parametrize(("warmup", "iterations"), [(0, 1), (1, 5), (3, 2)])
def test_warmup_calls_come_first_and_are_not_counted(warmup, iterations):
    calls = []
    latency = Profiler().measure_latency(
        lambda *args: calls.append(args), 1, "two", warmup=warmup, iterations=iterations
    )
    assert calls == [(1, "two")] * (warmup + iterations)
    assert len(latency.samples_ms) == iterations


def test_one_warmup_and_five_iterations_unless_told_otherwise():
    calls = []
    latency = Profiler().measure_latency(calls.append, None)
    assert (len(calls), len(latency.samples_ms)) == (6, 5)


@pytest.mark.parametrize(("warmup", "iterations"), [(-1, 5), (1, 0), (0, -2)])
def test_impossible_numbers_of_calls_are_refused(warmup, iterations):
    calls = []
    message = (
        rf"^need warmup >= 0 and iterations >= 1, got warmup={warmup} and iterations={iterations}$"
    )
    with pytest.raises(ValueError, match=message):
        Profiler().measure_latency(calls.append, 1, warmup=warmup, iterations=iterations)
    assert calls == []


def test_an_exception_of_the_measured_call_comes_through():
    with pytest.raises(ZeroDivisionError):
        Profiler().measure_latency(lambda: 1 / 0)


def test_an_array_that_is_returned_is_kept():
    use = Profiler().measure_memory(np.ones, MIB)
    assert use.peak_mib == pytest.approx(8, abs=0.05)
    assert use.kept_mib == pytest.approx(8, abs=0.05)


def test_an_array_that_is_dropped_shows_in_the_peak_only():
    def work(size):
        return float(np.ones(size).sum())

    use = Profiler().measure_memory(work, MIB)
    assert use.peak_mib == pytest.approx(8, abs=0.05)
    assert use.kept_mib == pytest.approx(0, abs=0.05)


def test_peak_is_what_is_held_at_one_time():
    def one_after_the_other():
        for _ in range(3):
            np.ones(MIB).sum()

    def together():
        return sum(array[0] for array in [np.ones(MIB) for _ in range(3)])

    assert Profiler().measure_memory(one_after_the_other).peak_mib < 17
    assert Profiler().measure_memory(together).peak_mib == pytest.approx(24, abs=0.05)


def test_memory_held_before_the_call_does_not_count():
    before = np.ones(MIB)
    use = Profiler().measure_memory(before.sum)
    assert use.peak_mib < 0.1


def test_tracing_ends_with_the_measurement():
    Profiler().measure_memory(np.ones, 1)
    assert not tracemalloc.is_tracing()
    with pytest.raises(ZeroDivisionError):
        Profiler().measure_memory(lambda: 1 / 0)
    assert not tracemalloc.is_tracing()


def test_a_measurement_inside_another_is_refused_and_the_outer_one_goes_on():
    def nested():
        with pytest.raises(RuntimeError, match=r"^memory is being traced already; measure one"):
            Profiler().measure_memory(np.ones, 1)
        assert tracemalloc.is_tracing()
        return np.ones(MIB)

    assert Profiler().measure_memory(nested).peak_mib == pytest.approx(8, abs=0.5)
