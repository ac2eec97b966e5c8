"""From answers to judgements: the ladder, the oracle's own answer, and bounds of single operations."""
