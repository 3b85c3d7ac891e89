"""What every training shares: the loop, checkpoints, the log, the adversary, precision, the model folder."""
