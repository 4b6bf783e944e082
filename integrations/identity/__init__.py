"""Identity resolution: which records of persons and companies are one and the same.

A step of its own, never part of a sync. `matching` compares in pure Python, `grouping` gathers what
belongs together, `step` reads the records and keeps the candidates; people decide about them.
"""
