"""Frames from elsewhere: what publishers send, from their first word to a video and a result."""
