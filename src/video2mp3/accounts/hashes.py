"""How secrets of ours are stored: as SHA-256 alone, which is enough for what is random and long, and no password."""

import hashlib


def sha256_of(secret: str) -> str:
    """Returns the hash of a secret, in hexadecimal; of whatever somebody has sent as one."""
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
