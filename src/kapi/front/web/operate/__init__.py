"""System APIs for those who run the platform: health, metrics, logs."""
