"""Where rows and rejected records are written."""
