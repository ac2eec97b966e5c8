"""
Checks that need nothing of a target but its two commands and what they leave: no adapter, no access to its code.

One path for all targets. What a check may rely on beyond that is in the target file's `[checks]`; what it finds is a
row of `harness.record.findings.KINDS`.
"""
