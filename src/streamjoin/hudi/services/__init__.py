"""Table services of Hudi: which are due, and each of them done, by whoever may."""
