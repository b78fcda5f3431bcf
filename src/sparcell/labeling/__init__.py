"""From a stain to nucleus instances, with a verdict on every field.

`label` does a whole dataset folder. Preset ``auto`` (`auto`): look at the stain (`estimation`),
try every strategy (`strategies`: regions; `splitting`; `outlines`), keep the one that scores best
(`scoring`), mark what is doubtful (`doubt`) and judge the field (`quality`). Preset ``thesis``
(`thesis`): CLAHE and adaptive Otsu as published. `simulate` makes pairs with known truth.
"""

from sparcell.labeling.batch import label

__all__ = ["label"]
