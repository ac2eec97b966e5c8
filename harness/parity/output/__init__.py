"""What a run of the ladder shows and keeps: report, diagnosis of the first failure, pictures, replays."""
