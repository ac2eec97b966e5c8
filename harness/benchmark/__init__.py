"""
Time and memory: the two-minute budget, throughput, and a gate for regressions that also measures itself.

A busy machine moves wall times by half and more, so two channels are kept apart: a hard budget on wall time, and a
comparison of two revisions by processor time over a calibration kernel that runs in between.
"""
