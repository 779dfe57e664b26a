"""Accounts: their making, sessions, API keys, invitations, tokens by e-mail, export and deletion."""
