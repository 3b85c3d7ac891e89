"""The generator that follows a style besides the labels."""
