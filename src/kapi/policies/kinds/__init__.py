"""What the gateway checks for APIs of a type other than REST, one module for each kind."""
