"""The jobs: what a batch goes through, and the loop around it."""
