"""What the black-box tests stand on: a real Envoy, key servers, a backend, tokens, raw clients.

Nothing here knows the filter's code. What it must do is in the tests, one rule each.
"""
