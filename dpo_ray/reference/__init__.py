"""The model DPO starts from and is held to: loaded, scored and sampled once per sweep."""
