"""Records without folders of the machine."""

from __future__ import annotations

from sparcell.models.redaction import redact_record


def test_paths_begin_at_the_dataset_or_are_names() -> None:
    record = {
        "command": ["/home/ada/bin/sparcell", "train", "--data", "/home/ada/nuclei/", "--set",
                    "data.auto=/scratch/ada/auto", "fit.lr=1e-3"],
        "datasets": ["/home/ada/nuclei"],
        "inputs": {"/home/ada/nuclei/images/a.tif": "aa", "/home/ada/./nuclei/labels/a.tif": "b"},
        "evaluated": {"a": {"image": "/home/ada/nuclei/images/a.tif", "kind": ""}},
        "other": [r"C:\Users\ada\cells.tif", "left random: a/b and 3/4", 0.5, None],
    }  # fmt: skip
    assert redact_record(record) == {
        "command": ["sparcell", "train", "--data", "nuclei", "--set", "data.auto=auto",
                    "fit.lr=1e-3"],
        "datasets": ["nuclei"],
        "inputs": {"nuclei/images/a.tif": "aa", "nuclei/labels/a.tif": "b"},
        "evaluated": {"a": {"image": "nuclei/images/a.tif", "kind": ""}},
        "other": ["cells.tif", "left random: a/b and 3/4", 0.5, None],
    }  # fmt: skip
    assert record["datasets"] == ["/home/ada/nuclei"]
    assert redact_record({}) == {}
