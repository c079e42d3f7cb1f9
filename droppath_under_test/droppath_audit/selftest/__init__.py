"""The suite examined by itself: every check against every mutant and every sound variant.

``processes`` runs jobs apart from each other, ``examination`` audits one implementation, ``matrix`` writes and compares
the golden file.
"""
