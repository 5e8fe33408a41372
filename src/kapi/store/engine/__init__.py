"""SQLite: connections, transactions, migrations, notification of changes."""
