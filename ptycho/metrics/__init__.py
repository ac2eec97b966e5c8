"""How good a reconstruction or a file is: figures of merit, and what looks wrong in a file that keeps the contract."""
