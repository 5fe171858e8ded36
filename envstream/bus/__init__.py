"""Bus: frames through a Redis server, between many workers and any number of page servers."""
