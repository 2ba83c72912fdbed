"""The machines a sweep runs on."""
