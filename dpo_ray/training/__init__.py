"""One DPO trial, and the loop of a worker that runs many."""
