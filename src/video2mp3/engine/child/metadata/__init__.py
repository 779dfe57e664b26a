"""Tags, languages and their encodings."""
