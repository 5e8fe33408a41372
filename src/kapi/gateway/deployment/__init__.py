"""Deploying APIs: from two files to a gateway that confirmed the API, and the same state after a restart."""
