"""Reports in a third of the time: most of it goes into their figures, each drawn three times over.

That they are written in all formats is tested in tests/report/ and by the commands of the README.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

SIGNS = {"png": b"\x89PNG", "pdf": b"%PDF"}


@contextmanager
def plain_figures() -> Iterator[None]:
    """Have reports draw each figure as SVG, and write no more than the first letters of its PNG and PDF."""
    from fishnet_search.report import pictures, write

    def lighter(real):
        """Make a picture, whose format is the second argument, only if it is to be an SVG."""
        return lambda drawn, suffix, *more: SIGNS[suffix] if suffix in SIGNS else real(drawn, suffix, *more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "_file", lighter(pictures._file))
        patch.setattr(write, "picture", lighter(write.picture))
        yield
