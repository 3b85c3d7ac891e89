"""How good the pictures are: measures, baselines, intervals, and one report."""
