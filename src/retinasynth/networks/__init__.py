"""Networks that several products share: the U-Net and the PatchGAN of the published system, and their layers."""
