"""Resource exhaustion: what one sender can make the gateway and the sidecar keep or ask, and what
everybody else notices of it.

`python -m floods` is the whole of it; `blackbox/test_floods.py` does the same with less of each.
"""
