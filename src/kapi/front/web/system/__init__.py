"""The system APIs: one file for each, and the table of their paths."""
