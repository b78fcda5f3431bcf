"""Rates of tracked cells with intervals: growth, divisions, deaths, cycles, migration."""
