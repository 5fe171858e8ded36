"""How simulators with tools of their own are built and trained from this project's configs."""
