"""The ladder between two states of the code: the backends and the core of a commit, and those of the working tree."""
