"""Where a request goes: scopes, virtual hosts, routes. Pure."""
