"""A mutant as a user meets it: the whole ladder is run, and what its terminal says is followed to the code."""
