"""What all reports share: the page, its sections, tables and figures."""
