"""Declared state on the command line: reads files, sends what they declare, shows differences."""
