"""The apk-conf format: its schema, its checks, and the values that are read from it."""
