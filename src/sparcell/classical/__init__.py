"""Find nuclei in a stain without a trained network: arrays in, arrays out, no files.

Preset ``auto`` (`auto`): estimate noise, background and size of nuclei (`stain_statistics`,
`estimation`), try several thresholding strategies (`strategies`, `extremal_regions`), split nuclei
that touch (`splitting`), draw their outlines (`outlines`, `objects`), choose the best strategy
(`scoring`) and mark uncertain pixels (`uncertainty`). `segment` joins its tiles.

Preset ``salomon2023`` (`salomon2023`): CLAHE as in Fiji (`clahe`), then adaptive Otsu and
separation as in CellProfiler (`declumping`). Preset ``cellpose`` (`cellpose`): that tool.
"""
