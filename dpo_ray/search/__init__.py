"""Which configuration next, and which to stop: Ray Tune over a pool of warm slots."""
