"""Dead letters: records that could not become rows, kept until they are fed in again."""
