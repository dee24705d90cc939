"""Where energy moves and which task is next: scalar functions on named records, one environment at a time.

No random numbers, no Gymnasium. A single environment runs these functions as they are, many run them compiled by
numba (`batch.py`). Only +, -, *, /, min, max, comparisons, bits and look-ups are used: IEEE 754 rounds each of them
exactly, so the two agree to the last bit. What needs a power or an exponential is looked up in the episode's tables.
"""
