"""From folders of pictures to batches of pairs: layouts, preparation, augmentation, decoded pairs."""
