"""What a user's own tests see: mutants and sound variants in the target's place, under those tests.

``substitute`` drives one of them by roles, ``frame`` reads the target's signature, ``standing`` puts the one into the
other. ``testing`` runs pytest there, ``expressing`` asks whether a fault shows there at all, and ``examining`` does
both for all of them. ``host`` is the process in which that happens, ``asking`` the auditor's side of it.
"""
