"""Ranks: one run that is shared out over the processes of ``torchrun``, on one machine or several.

Every rank loads the target in a worker of its own. Rank 0 plans, judges and reports; the others draw and hand over what
they drew. They speak through the store of ``torch.distributed`` (``TCPStore``) and never by a collective operation, so
that a rank that dies or stalls keeps nobody waiting: it is missed, and the run ends with what there is.

Streams are those of the pieces and not of the ranks. What is drawn is cut into pieces, trials of an audit and numbered
chunks of a certificate, whose entropy is a function of root seed and name alone (``core.trial.Trial.entropy``). A
counter of the store gives each piece to one rank. So no stream is drawn from twice, whichever rank draws it, and how
many ranks there are changes no stream.
"""
