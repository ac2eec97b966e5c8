"""Expected values, written from the description of the network and not from the core or a backend."""
