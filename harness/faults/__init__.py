"""Faults on purpose: the table of what must be survived, planted mutants, and kills."""
