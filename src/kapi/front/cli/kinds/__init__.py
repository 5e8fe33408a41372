"""The kinds of objects that a platform has, as the command line lists, shows and deletes them."""
