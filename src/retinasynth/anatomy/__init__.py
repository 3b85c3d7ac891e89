"""Growing a labelled eye from a seed, and rendering a photograph of it."""
