"""Options of scoring: how batches are read, split into chunks and segmented."""

from dataclasses import dataclass, field

from headlines.readers import ReadOptions
from headlines.readers.rejects import MAX_REJECT_RATE, MAX_REJECTS
from headlines.segmentation import Segmenter


@dataclass(frozen=True)
class ChunkSizes:
    """How batches are divided. It depends on the batch alone, not on who reads it.

    Attributes:
        rows: of a chunk at most.
        chars: of a chunk at most, plus what its last row exceeds it by: other columns may hold
            whole articles.
        read_group_bytes: size on disk of the files that one worker reads; some seconds of work.
        small_batch_bytes: size on disk of a batch that is scored in a group with others; some
            thousand headlines, which take a fraction of a second.
    """

    rows: int = 50_000
    chars: int = 32 << 20
    read_group_bytes: int = 16 << 20
    small_batch_bytes: int = 128 << 10


@dataclass(frozen=True)
class ScoreOptions:
    """Options of scoring that are the same for all batches of a run.

    Attributes:
        read: how the files are read.
        max_reject_rate: a batch with a larger share of unusable rows is stopped,
        max_rejects: if there are more of them than this.
        segmenter: cuts titles into words.
        sizes: of chunks and read groups.
    """

    read: ReadOptions = field(default_factory=ReadOptions)
    max_reject_rate: float = MAX_REJECT_RATE
    max_rejects: int = MAX_REJECTS
    segmenter: Segmenter = field(default_factory=Segmenter)
    sizes: ChunkSizes = field(default_factory=ChunkSizes)
