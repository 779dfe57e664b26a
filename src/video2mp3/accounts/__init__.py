"""Accounts: passwords, tokens and sign-ins, as plain functions that take a session."""
