"""
The parity ladder: do the two backends agree, and if not, at which step do they part, and which of them is wrong?

Nothing here imports a framework. Each backend answers a request in a process of its own (`ptycho.parity.request`); a
NumPy oracle answers the same request here; the rungs are then compared from the bottom up, and the first that fails is
the diagnosis.
"""
