"""Things that take the place of a backend, an interpreter, a target or a checkout, with faults to order."""
