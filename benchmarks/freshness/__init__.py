"""How soon a record that was put is fetched: polled beside pushed."""
