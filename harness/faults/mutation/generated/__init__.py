"""Mutants that are derived from the syntax tree of the code and drawn at random over all of its functions."""
