"""Long-term memory for agents, kept in Postgres."""
