"""Who asks: OAuth clients of the settings, registered ones, and those that publish their metadata."""
