"""Turn a nuclear stain, or points, into labels for training, and judge every field.

`label` does a whole dataset folder (`batch`). It runs one `Labeler` (`labeler`) field by field: the
presets ``auto`` and ``cellpose`` (`from_stain`), the preset ``salomon2023`` (`crops`), or outlines
from points (`points_to_outlines`). What finds the nuclei lies in `sparcell.classical`. Here are the
files that are written (`writers`, `folder`), the quality gate (`quality`) and the contact sheet
(`contact_sheet`).
"""

from sparcell.labeling.batch import label

__all__ = ["label"]
