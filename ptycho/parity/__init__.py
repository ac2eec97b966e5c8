"""What a backend answers to the parity ladder: the questions, and the core's own part of the answers."""
