"""A lane: one target on one device, from the sweep before it to the verdict after it."""
