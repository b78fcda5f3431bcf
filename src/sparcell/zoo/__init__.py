"""Models that come with Sparcell: for each ``NAME.zip``, at most 10 MB, and its card ``NAME.yaml``.

What a card holds is told by `sparcell.models.catalogue.ModelInfo`, and how a model gets here by
``docs/how-to/models.md``.
"""
