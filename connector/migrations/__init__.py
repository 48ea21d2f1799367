"""Alembic migrations. A change of tables.py comes with a new file here, and with its id as db.HEAD."""
