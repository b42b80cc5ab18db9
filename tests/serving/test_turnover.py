"""When a client that found the queue full is told to come back."""

import pytest

from tinytorch.serving.turnover import LONGEST, NUM_ENDS, Turnover


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def end_every(seconds, count, clock, turnover, num_left=9):
    for _ in range(count):
        clock.now += seconds
        turnover.ended(num_left)


def test_before_two_ends_nothing_is_known(clock):
    turnover = Turnover(clock)
    assert turnover.turn_away() == 1
    end_every(50, 1, clock, turnover)
    assert turnover.turn_away() == 1


@pytest.mark.parametrize(("seconds", "expected"), [(0.01, 1), (0.5, 1), (2.0, 2), (2.25, 3)])
def test_one_place_is_free_after_one_end(clock, seconds, expected):
    turnover = Turnover(clock)
    end_every(seconds, 5, clock, turnover)
    assert turnover.turn_away() == expected


def test_each_client_waits_for_an_end_of_its_own(clock):
    turnover = Turnover(clock)
    end_every(2, 5, clock, turnover)
    assert [turnover.turn_away() for _ in range(4)] == [2, 4, 6, 8]
    end_every(2, 3, clock, turnover)  # three of the four have had their place
    assert turnover.turn_away() == 4


def test_nobody_is_sent_away_for_longer_than_a_minute(clock):
    turnover = Turnover(clock)
    end_every(10, 3, clock, turnover)
    assert max(turnover.turn_away() for _ in range(100)) == LONGEST


def test_a_queue_that_stands_still_lets_clients_wait_longer(clock):
    turnover = Turnover(clock)
    end_every(1, 2, clock, turnover)
    clock.now += 9
    assert turnover.turn_away() == 10


def test_pauses_of_an_empty_queue_do_not_count(clock):
    turnover = Turnover(clock)
    end_every(1, 2, clock, turnover)
    turnover.ended(0)
    clock.now += 3600
    end_every(1, 2, clock, turnover)
    assert turnover.turn_away() == 1


def test_old_ends_are_forgotten(clock):
    turnover = Turnover(clock)
    end_every(30, 5, clock, turnover)
    end_every(0.5, NUM_ENDS, clock, turnover)
    assert turnover.turn_away() == 1
