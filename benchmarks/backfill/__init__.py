"""How fast, and in how much memory, many items come into the lake."""
