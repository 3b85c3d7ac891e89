"""The courses of vessels as people have them: traced in labelled photographs, mixed, kept, and grown from."""
