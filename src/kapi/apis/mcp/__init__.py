"""MCP servers over REST operations and over other servers: their tools, lists and headers. Pure."""
