"""Cost of a mask: processor time a pattern from file to last batch, by that of the same scan without one."""

NONE, ONE, EACH = "none", "one", "each"
"""No mask, one `(N, N)` for all patterns, or one `(M, N, N)` with a mask for each."""

MAX_COST_RATIO = {ONE: 1.1, EACH: 1.4}
"""A mask for each pattern is read with its pattern: a quarter more bytes."""

MASKS = (NONE, *MAX_COST_RATIO)
