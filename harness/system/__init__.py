"""
Services of the operating system: locks, processes, signals, removal, and what a terminal shows.

The lowest room but the kit: nothing here knows what a run, a lane or a target is.
"""
