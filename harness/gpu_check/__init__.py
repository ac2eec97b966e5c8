"""One command for a bare GPU machine: what it needs, a folder of wheels for it, and the steps that it runs."""
