"""Growing an eye that nobody ever had, and drawing a photograph of it by rule."""
