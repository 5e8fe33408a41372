"""Accounts of people: users of the settings and stored ones, passwords, wrong passwords."""
