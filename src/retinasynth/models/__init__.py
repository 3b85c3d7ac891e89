"""The networks, their losses, and how they are saved, loaded and run."""
