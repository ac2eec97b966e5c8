"""
Cost of a larger scan: memory, reading and steps from a thousand patterns to a hundred thousand.

Every size is measured in a process of its own, on a scan that is generated into the run's scratch and removed.
"""
