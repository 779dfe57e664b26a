"""Hashes generated secrets for storage: SHA-256 suffices for long random values, unlike for passwords."""

import hashlib


def sha256_of(secret: str) -> str:
    """Returns the hash of a secret in hexadecimal; accepts any text that a client sends as one."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
