"""Eyes in folders: finding them, preparing sets of them, and feeding them to the networks."""
