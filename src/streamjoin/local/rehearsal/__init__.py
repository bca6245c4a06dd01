"""A deployment rehearsed on this machine: deployed onto emulators, run, looked at, destroyed."""
