from headlines.scoring.chunks import ChunkRef
from headlines.scoring.progress import Progress


def chunk(rows: int, read: float | None) -> ChunkRef:
    return ChunkRef(0, "chunk", "key", rows, False, read)


def test_speed_and_time_left() -> None:
    seconds = 100.0
    progress = Progress(lambda: seconds)
    progress.add_read(chunk(1_000, 0.25))
    progress.add_read(chunk(1_000, 0.5))
    seconds += 2
    text = progress.add_scored(1_000)
    assert text == "1,000 so far, 500 a second, 25% of the batch, about 6 s left"
    progress.add_read(chunk(2_000, 1.0))
    seconds += 2
    text = progress.add_scored(3_000)
    assert text == "4,000 so far, 1,000 a second, 100% of the batch, about 0 s left"


def test_no_time_left_is_given_if_the_size_is_unknown() -> None:
    seconds = 0.0
    progress = Progress(lambda: seconds)
    progress.add_read(chunk(10, None))
    seconds += 5
    assert progress.add_scored(10) == "10 so far, 2 a second"
