"""AWS itself: clients, files and small objects on S3, what its errors say, and how long to wait."""
