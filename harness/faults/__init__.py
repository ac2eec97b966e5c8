"""Faults on purpose: the table of what the harness must survive, planted mutants, and kills."""
