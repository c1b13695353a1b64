"""Test helpers beside this file (`seeded`, `literal`) can be imported from every test."""
