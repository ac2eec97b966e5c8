"""Whether a pass means anything: known defects and dishonest answers that the ladder must refuse."""
