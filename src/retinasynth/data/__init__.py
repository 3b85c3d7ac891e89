"""Data for training and evaluation: finding eyes on disk, splits, inspection, near-duplicates, augmentation, export."""
