"""The sections for those who run the platform: metrics, audit, traces."""
