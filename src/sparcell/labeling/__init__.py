"""Turn a nuclear stain, or points, into labels for training, and judge every field.

`label` does a whole dataset folder (`batch`). What finds the nuclei lies in `sparcell.classical`;
here are the files (`field`, `crops`, `folder`), the quality gate (`quality`), the contact sheet
(`contact_sheet`), outlines from points (`points_to_outlines`) and points from a stain
(`nuclei_to_points`).
"""

from sparcell.labeling.batch import label

__all__ = ["label"]
