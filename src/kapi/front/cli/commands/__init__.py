"""The commands, one module for each group, named for what they are about."""
