"""The commands: a room for each heading of the help, a module for each group of commands."""
