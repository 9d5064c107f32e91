"""Imports without the garbage collector, which goes on afterwards."""

import gc

from operations.startup import garbage_collector_paused


def test_the_garbage_collector_pauses_and_goes_on() -> None:
    with garbage_collector_paused():
        assert not gc.isenabled()
    assert gc.isenabled()
