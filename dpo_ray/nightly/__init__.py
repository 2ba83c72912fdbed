"""A sweep that runs by itself, night after night, and learns from the nights before."""
