"""Object tables, counts by components and by area, summaries per well."""

from sparcell.measurement._measure import measure, write_tables
from sparcell.measurement.counts import (
    clumping_note,
    count_by_area,
    count_components,
    stack_note,
    typical_area,
)
from sparcell.measurement.names import Wells, find_wells
from sparcell.measurement.objects import Window, complete_table, object_table
from sparcell.measurement.wells import doubling_times, plot_growth, summarise_wells

__all__ = [
    "Wells",
    "Window",
    "clumping_note",
    "complete_table",
    "count_by_area",
    "count_components",
    "doubling_times",
    "find_wells",
    "measure",
    "object_table",
    "plot_growth",
    "stack_note",
    "summarise_wells",
    "typical_area",
    "write_tables",
]
