"""Stand-ins for AWS on this machine, sample data and the demo."""
