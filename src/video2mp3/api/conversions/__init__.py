"""Conversions: submitting, following, results, and what is made of them."""
