"""
The report of one run or of the newest run of everything: one HTML file without network, readable by anybody.

It is made from the event logs and from the files that runs keep, never from what a process remembers, so that it can
be made again for any run that still has its folder, whole or killed.
"""
