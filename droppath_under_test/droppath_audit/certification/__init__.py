"""Certificates of keep probabilities to a chosen resolution, continued over runs and machines.

Why the evidence stays valid however a run is interrupted, continued or merged:

* The terms (δ, alpha and beta of every cell) are fixed when a file is begun, before anything is drawn; a run with other
  terms, another target, another version of it or of its framework is refused. So all counts of a file are decisions of
  one layer, judged by one rule.
* FAIL is the crossing of a nonnegative supermartingale, PASS the crossing of another (see ``stats.certificate``). By
  Ville's inequality both errors hold at every number of decisions at once, hence at any at which somebody stops,
  looks, and goes on: for lack of time, by a signal, or because of what was seen.
* The exact test at the cap wants a number of decisions that does not depend on what was seen. A run ends exactly
  there, since no chunk is drawn beyond it, and the cap follows from the terms.
* Every chunk draws with randomness of its own: seeds derive from root seed, cell and chunk number. A chunk that was
  lost with its process was seen by nobody and is drawn again as it was. Where no chunk was cut short by its time
  limit, a continued run ends with the very counts of an uninterrupted one.
* Counts of runs with different root seeds add up: likelihood ratios of independent draws multiply, and their product
  is a supermartingale whatever the order. Where each run ended is anybody's choice, though, so the sum has no number
  fixed in advance, and the exact test no longer decides it. All files that were begun must be merged; leaving some out
  for what they say is the one thing that no rule survives.
* What is said of a cell that is still open (kept within d of what was promised) is read from the interval that holds at
  every look, with error beta: the same as that of a PASS.

All this takes decisions to be independent, within calls and between them, which DP106, DP107 and DP108 examine.
"""
