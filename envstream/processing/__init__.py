"""What is made of a session's frames in processes of their own: a video, and what processors find."""
