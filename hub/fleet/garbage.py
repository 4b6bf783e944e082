"""Python's collector of garbage in cycles, set for processes that sync."""

import gc

OBJECTS = 50_000  # made before it looks; Python's own default is 700


def collect_seldom() -> None:
    """Look for cycles seldom from now on, and never again among what is loaded already.

    A sync makes some thirty objects for each record and leaves no cycle behind: what it drops goes
    at once, by its count of references. Looking through it all the same took a quarter of its time.
    Processes forked later inherit this.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS, 20, 20)
