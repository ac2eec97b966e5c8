"""
Changes over time: change points of what every run leaves in the history, and the commit that made a benchmark slower.

A change point never blocks a push: the gate of one comparison does that. It names what is too small for the gate.
"""
