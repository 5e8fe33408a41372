"""A platform for one test run, and the end of a platform."""
