"""Mutated tokens, and what other verifiers make of them."""
