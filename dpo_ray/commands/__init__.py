"""The `dpo-ray` command, a file for each verb beside `sweep`."""
