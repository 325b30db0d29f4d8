"""Reads files as typed columns or as text, and writes files either completely or not at all."""
