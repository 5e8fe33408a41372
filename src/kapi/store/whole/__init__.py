"""All tables at once: what a dump contains of them, and copies to another engine."""
