"""What people write: frozen models of the two file kinds, and the one reader of them.

Nothing here imports torch, Ray or MLflow, so a bad file is refused in well under a second.
"""
