"""Files of earlier commits, written by hand: what a reader of today is asked with."""
