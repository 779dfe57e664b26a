"""The database: tables, connections, clock and migrations. SQLite or MySQL, the same statements on both."""
