"""What happened: the journal, and the mirrors rebuilt from it."""
