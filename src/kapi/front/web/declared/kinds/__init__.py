"""The kinds of objects that can be declared; a module for each."""
