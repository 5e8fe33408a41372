"""OAuth clients: those of the settings, registered ones, and those with a metadata document."""
