"""Object detection: models, what they say, and how quickly they may be asked."""
