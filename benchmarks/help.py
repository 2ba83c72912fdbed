"""What `python -m benchmarks --help` says: what is measured, and how it is made fair."""

HELP = """Measure this platform beside what people do today, and beside the floor.

\b
marginal  8-step trials one at a time: what does a further trial cost? (4 minutes)
            8 trials, (b) 3: its trials take most of a minute
total     the shipped 12 trials of 60 steps: what does a whole sweep take? (10 minutes)
            (a) in its two slots, the others in one process, as such a loop runs; (b) 2
wide      8 trials of 120 steps at hidden size 256, 4 layers, rows of 60 tokens: the same
            where arithmetic takes the time (40 minutes); (b) 2
reference a trial's step with stored reference scores, beside TRL's defaults
workers   preparing the same pairs with one warm worker and with two (2 minutes)
profile   where the seconds of one wide trial of (a) go, beside the floor's
rows      preparing 10,000 and 100,000 rows: does memory stay, does time grow in line?
            (7 minutes; only by --only rows)
mirror    a journal of 1.2 million metric points to MLflow on SQLite, and how long the
            driver's loop ever waits beside a server 5 s late (5 minutes; only by
            --only mirror)

\b
The same for all: the seeded list of configurations (the control, then random draws),
steps, batch, learning rate, beta and adapter. Confirmation is off.
Trials of `marginal` are not judged. Else each is judged at its end by 64 held-out
pairs: share with D > 0 (accuracy) and mean D (margin), D being the log-ratio of
chosen over rejected. (b) to (e) tokenize these pairs and score them by the reference
once per process. (a) judges by its own evaluation at its smallest: the same pairs,
and one generated token per prompt, KL and the word-list judge on it, tables and the
adapter written. Nobody else pays for these.
Lines with + judge at 1/9 and 1/3 of a trial's steps as well and stop by accuracy:
(a) keeps the better third (ASHA, reduction factor 3) once 3 trials have passed a
rung, (d) those not below the median (MedianPruner) once 3 trials ran whole. (a)
never stops its control trial. acc and margin show whether the best one was lost.

\b
Each line runs alone in a fresh process with empty caches, timed from its start to
its exit: imports, Ray, data, and for (a) preparing, the journal and MLflow count.
(b), (c) and (d) are stock TRL: reference in the loop, activation checkpointing on,
the trained checkpoint saved.
(c), (d) and (e) get one thread or PyTorch's default, whichever made a further trial
of 12 steps faster just before; (d) takes (c)'s. A second thread helps on an idle
machine and costs a multiple on a busy one. A trial of (a) or (b) has the one thread
that Ray gives it.
(b) runs in the same lean Ray session as (a), so it starts somewhat faster than in a
stock one. Ray's workers run at a low priority: on a busy machine (a) and (b) give
way where the others do not.

What is measured is printed, expected or not; the exit code does not depend on it.
"""
