"""
A third backend, of NumPy alone, that the kill test trains most of the time: hundreds of trials then cost minutes.

Data path, memory maps, epochs, checkpoints and history are the core's own, as in both real backends.
"""
