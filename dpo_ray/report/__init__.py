"""What a person looks at before, during and after a sweep."""
