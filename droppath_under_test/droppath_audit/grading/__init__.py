"""What a user's own tests see: mutants and sound variants in the target's place, under those tests.

``part`` drives one of them by roles, ``standing`` makes what has the target's signature and is driven by it, ``place``
knows the target and puts something else where it is found. ``testing`` runs pytest there, ``host`` is the process in which
all of that happens, and ``asking`` the auditor's side of it.
"""
