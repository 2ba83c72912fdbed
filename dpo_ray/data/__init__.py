"""Preference rows: read, checked, split by prompt, kept under what they depend on."""
