"""
Everything that a continuous-integration service needs besides the sessions: matrix, shards, annotations, a summary.

The service's own files only call these and nox, so that whatever they do can be done, and tested, on a laptop.
"""
