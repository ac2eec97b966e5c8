"""Suites that ask a real adapter from copies of the code into which something is planted."""
