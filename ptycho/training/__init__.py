"""Training and inference, shared by both backends: batches, epochs, schedule, checkpoints, tracking."""
