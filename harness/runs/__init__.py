"""The frame of every run: how its log begins and ends, what is made from it, and which runs are kept."""
