"""Operations of the unified layer, run again and again with one call of the driver after another refused.

A module here has OPERATIONS, name -> function.  It may have STREAMS (nothing may be left captured), state() (what must be as before),
QUIET (operation -> functions whose refusal need not raise; "*": all), ENDINGS (functions without which something may stay) and
NOT_COUNTED (operation -> a function of a pair that is not compared).  It runs in a process of its own, with the driver of
helpers/faults.py:

    python -m tests.unified.refused MODULE LIBRARY

and prints for each operation its name and how many calls of the driver it makes.
"""
