"""Reading and writing files: what users write, what targets leave, and the folder of a run."""
