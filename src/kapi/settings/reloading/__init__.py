"""What of changed settings a running platform takes up. Called by the supervisor."""
