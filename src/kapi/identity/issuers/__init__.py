"""Trust in other issuers: presets, declarations, their keys, and how the keys are kept current."""
