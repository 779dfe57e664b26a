"""Accounts: registration, sessions, API keys, invitations, one-time tokens by email, export and deletion."""
