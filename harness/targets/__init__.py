"""
Pipelines as files: what a target file says, whether it fits its checkout, and the environment that it asks for.

The target files that ship with the harness are here, too, with the tests that each of them must report.
"""
