"""Settings of the smallest trainings."""

# Small enough to train in seconds on one core, with everything switched on that a run can have.
TINY = [
    "size_px=32",
    "mask_channels=1",
    "generator.depth=3",
    "generator.filters=4",
    "generator.dropout=0.5",
    "discriminator.filters=4",
    "flip=true",
    "rotation_deg=20",
    "ema_decay=0.9",
    "epochs=3",
    "log_every_steps=1",
    "sample_every_steps=6",
    "checkpoint_every_steps=3",
    "precision=fp32",
]
