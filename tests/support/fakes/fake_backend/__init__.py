"""A backend without a framework and without a network: what the core's workflows do is then seen in milliseconds."""
