"""Statements over several sources: parts fetched from each, merged by a Postgres of our own."""
