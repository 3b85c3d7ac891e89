"""What is learnt from and measured: finding eyes on disk, splits, inspection, near-duplicates, augmentation, export."""
