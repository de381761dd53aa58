"""Faults, and what the clients make of them."""

import pytest

pytest.register_assert_rewrite("tests.reliability.judging")
