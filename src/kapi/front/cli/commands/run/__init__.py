"""Commands of the heading Run: they start and stop the platform of this machine."""
