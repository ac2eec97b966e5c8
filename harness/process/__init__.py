"""
Watches a command from outside while it runs: time, memory, disk, heartbeat, contention.

One job a file, and a class that asks them all (`watcher`). `harness.process.supervise` starts a command, asks the watch
several times a second, and ends the command's processes when it says so. Nothing here signals a process but `stacks`,
and that only those that asked for it.
"""
