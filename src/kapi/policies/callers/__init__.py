"""Policies that decide who may call, besides the credentials themselves (`authentication`)."""
