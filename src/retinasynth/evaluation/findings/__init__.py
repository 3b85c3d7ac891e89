"""What the report and ``evaluation.json`` say of each kind of metric."""
