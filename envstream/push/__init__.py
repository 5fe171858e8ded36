"""The publisher: pictures of a video, a camera or an env, sent to a server elsewhere."""
