"""The platform beside what people do today: wall seconds on the same configurations."""
