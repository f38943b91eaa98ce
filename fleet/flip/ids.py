"""Flip's names for things."""

from typing import Annotated

import msgspec

MAX_ID_LENGTH = 200
"""A uuid has 36 characters. What is longer than this fits in no address, and is rejected where it enters."""

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID_LENGTH)]
"""An id, Flip's or ours. It is compared and sent back, and never taken apart."""
