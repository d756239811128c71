"""The database's backups: pgBackRest in an S3 bucket. `__main__` lists the commands."""
