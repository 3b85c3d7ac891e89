"""What the pictures are worth: measures with intervals, baselines to beat, and one report."""
