"""Processors: what is done to a picture on its way; each is called with a Frame and gives one, or None."""
