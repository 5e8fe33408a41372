"""What a command shows besides its data: questions, progress, errors for programs."""
