from headlines.scoring.progress import Progress


def test_speed_and_time_left() -> None:
    seconds = 100.0
    progress = Progress(lambda: seconds)
    progress.admitted(1_000, 0.25)
    progress.admitted(1_000, 0.5)
    seconds += 2
    told = progress.scored(1_000)
    assert told == "1,000 so far, 500 a second, 25% of the batch, about 6 s left"
    progress.admitted(2_000, 1.0)
    seconds += 2
    told = progress.scored(3_000)
    assert told == "4,000 so far, 1,000 a second, 100% of the batch, about 0 s left"


def test_where_the_size_does_not_tell_no_time_left_is_given() -> None:
    seconds = 0.0
    progress = Progress(lambda: seconds)
    progress.admitted(10, None)
    seconds += 5
    assert progress.scored(10) == "10 so far, 2 a second"
