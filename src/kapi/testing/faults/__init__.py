"""What can go wrong at a provider, on demand: a catalogue, and a plan of when."""
