"""The memory-map store: the network input of one run on disk, with a manifest that says whose it is."""
