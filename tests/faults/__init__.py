"""Faults under load: a real gateway whose Redis, identity provider and sidecar fail in turn.

`model.py` knows who was allowed at what time; the rest makes things happen and writes down what was
answered. `python -m faults` is the long run, `blackbox/test_faults.py` a short one.
"""
