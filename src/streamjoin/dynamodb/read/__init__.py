"""Whole tables of DynamoDB, scanned or exported."""
