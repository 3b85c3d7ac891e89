"""Generating: a generator by its name, folders of photographs, synthetic sets, what-if, a camera of one's own."""
