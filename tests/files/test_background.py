"""Pieces of work behind the caller's back: their order, how many wait, and their errors."""

from __future__ import annotations

import threading
import time

import pytest

from viddiff.errors import OutputError
from viddiff.files.background import Background


def test_pieces_are_worked_in_order_behind_the_caller():
    done, gate = [], threading.Event()
    with Background(2) as background:
        background.do(gate.wait)
        background.do(lambda: done.append(threading.current_thread() is threading.main_thread()))
        assert not done
        gate.set()
        for number in range(20):
            background.do(lambda number=number: done.append(number))
    assert done == [False, *range(20)]


def test_no_more_pieces_wait_than_allowed():
    waiting, most = [], 0

    def piece(number):
        time.sleep(0.001)
        waiting.remove(number)

    with Background(3) as background:
        for number in range(30):
            waiting.append(number)
            background.do(lambda number=number: piece(number))
            most = max(most, len(waiting))
            assert len(waiting) <= 3
    assert most == 3 and not waiting


def fail():
    raise OutputError("cannot write it")


def test_an_error_is_raised_by_the_next_piece_and_the_others_are_worked():
    done = []
    with pytest.raises(OutputError, match="cannot write it"), Background(1) as background:
        background.do(fail)
        background.do(lambda: done.append(1))
        background.do(lambda: done.append(2))
        pytest.fail("went on")
    assert done in ([], [1], [1, 2])  # it may be raised by the piece itself, if that is done soon enough


def test_an_error_at_the_end_is_raised_at_the_end():
    with pytest.raises(OutputError, match="cannot write it"), Background(8) as background:
        background.do(lambda: time.sleep(0.05))
        background.do(fail)


def test_what_was_handed_over_is_worked_however_the_block_ends():
    done = []
    with pytest.raises(KeyboardInterrupt), Background(8) as background:
        background.do(lambda: time.sleep(0.05))
        background.do(lambda: done.append(1))
        background.do(fail)  # and hides no other error
        background.do(lambda: done.append(2))
        raise KeyboardInterrupt
    assert done == [1, 2]
