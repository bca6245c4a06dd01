"""Hudi tables entered in the AWS Glue Data Catalog, and their entries kept as the tables are."""
