"""Where people and programs come in: HTTP (`web/`) and the command line (`cli/`)."""
