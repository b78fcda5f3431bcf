"""The machine: processors, memory, locks, worker processes."""
