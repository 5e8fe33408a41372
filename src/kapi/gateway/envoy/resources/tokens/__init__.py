"""Who is let in: token filters, their keys, the deny list. Pure."""
