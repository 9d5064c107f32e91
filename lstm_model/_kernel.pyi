from lstm_model.numpy_kernel import Ints
from lstm_model.row_stable import Floats

VARIANTS: tuple[str, ...]

def affine(variant: str, x: Floats, w: Floats, b: Floats, out: Floats, /) -> None: ...
def recurrence(
    variant: str,
    table: Floats,
    u: Floats,
    ids: Ints,
    first: Ints,
    stride: int,
    steps: Ints,
    max_mean: bool,
    out: Floats,
    /,
) -> None: ...
