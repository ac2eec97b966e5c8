"""
Planting faults into a copy of the code and looking whether the harness finds them, at which rung, and whom it accuses.

No product code carries a switch for a fault: a mutant is a change of text, applied to a copy of the packages in the
run's scratch, and the real adapters and commands run from that copy.
"""
