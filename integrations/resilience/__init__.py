"""Waiting, trying again and giving up, as pure Python: clock, sleep and chance are handed in."""
