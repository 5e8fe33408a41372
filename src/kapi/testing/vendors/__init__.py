"""Emulation of identity providers: paths, tokens, errors and keys as a preset describes them."""
