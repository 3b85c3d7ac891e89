"""The published system: label maps to photographs with a U-Net, a PatchGAN, BCE and L1."""
