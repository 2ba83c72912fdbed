"""How good a policy is, in numbers that compare across beta."""
