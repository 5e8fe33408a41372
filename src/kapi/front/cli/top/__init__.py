"""Live figures of a platform, from two readings of its metrics: `kapi top`."""
