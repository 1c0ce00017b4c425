"""Tests of the encrypted storage."""
