"""The command line: one file a command with its options. What a command needs is imported when it runs."""
