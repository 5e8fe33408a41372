"""The tables of the gateway and the system APIs: one module for each table or topic."""
