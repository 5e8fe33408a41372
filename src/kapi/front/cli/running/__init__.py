"""The start of a platform and its end, and a platform for one test run."""
