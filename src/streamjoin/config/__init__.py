"""What the configuration of every job is made of: one YAML file, checked whole before anything is started."""
