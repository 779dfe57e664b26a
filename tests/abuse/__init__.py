"""What one account, or a stranger, can do to the others: each case beside a second user, with and without its guard."""
