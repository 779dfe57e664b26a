"""Why a file is refused."""
