"""Suites of tests that both backends run: a test module of a backend subclasses one and adds nothing."""
