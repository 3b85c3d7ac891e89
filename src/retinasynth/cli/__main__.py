"""`python -m retinasynth.cli`."""

from retinasynth.cli import main

main()
