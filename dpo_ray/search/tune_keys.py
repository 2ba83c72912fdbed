"""What Tune carries between the searcher, a trial's stand-in and the recorder, by name."""

PROPOSAL = "proposal"
"""The configuration key under which Tune carries a trial's number, origin and parameters."""
SEEN = "seen"
"""The key of what a job is told beside its configuration: what the journal has of it already."""
LAST = "last"
"""The key of the latest rung of a trial that goes on, as a result."""
OBJECTIVES = ("objective", "second_objective")
"""Keys of a result under which the searcher finds what is looked for."""
