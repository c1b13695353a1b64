"""Files read without trust, and written whole."""
