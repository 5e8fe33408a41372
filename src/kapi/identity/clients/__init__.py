"""OAuth clients: of the settings, registered, and those that publish their metadata."""
