"""Two running models of any code base, side by side: recorded by hooks, paired, and compared layer by layer."""
