"""
The harness: runs the pipelines in isolation, judges what they leave, and cleans up after them.

It imports neither framework and no backend. Nothing heavy is imported here or in `harness.cli`, so that
`python -m harness --help` answers at once; what a command needs it imports when it runs.
"""
