"""Bundled models: for each ``NAME.zip``, at most 10 MB, and its info file ``NAME.yaml``.

The info file is a `sparcell.models.catalogue.ModelInfo`; how a model gets here is described by
``docs/how-to/models.md``.
"""
