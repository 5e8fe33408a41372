"""What operators add, change and remove over the system APIs: tables of fields and actions."""
