"""The system APIs and the console, wired to the parts of the control process."""
