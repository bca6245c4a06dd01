"""Whether batch time and memory stay flat over a thousand commits, and while a backlog is drained."""
