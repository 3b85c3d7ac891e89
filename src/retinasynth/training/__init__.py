"""One visible training loop, its checkpoints and its log."""
