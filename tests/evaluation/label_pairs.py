"""Random pairs of label images for property tests."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

LABELS = st.integers(0, 5)


@st.composite
def label_pairs(draw, max_edge=9):
    """Two (Y, X) int32 images with ids 0 to 5 in patches of 1 or 2 px."""
    shape = draw(st.tuples(st.integers(1, max_edge), st.integers(1, max_edge)))
    scale = draw(st.integers(1, 2))
    pair = [draw(arrays(np.int32, shape, elements=LABELS)) for _ in range(2)]
    return tuple(np.kron(image, np.ones((scale, scale), np.int32)) for image in pair)
