"""Output of a run of the ladder: report, diagnosis of the first failure, pictures, replays."""
