"""Installing the package as strangers do."""
