"""Sweeps over DPO's few decisive numbers, and how far the answer can be trusted."""
