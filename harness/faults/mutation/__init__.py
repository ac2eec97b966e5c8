"""
Plants faults into a copy of the code: does the harness find each, at which rung, and which side does it name?

No product code carries a switch for a fault: a mutant is a change of text, applied to a copy of the packages in the
run's scratch, and the real adapters and commands run from that copy.
"""
