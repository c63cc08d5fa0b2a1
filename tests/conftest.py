"""Failures of what the tests share show their values, as those of the tests themselves do."""

import pytest

pytest.register_assert_rewrite("harness", "faults", "floods")
