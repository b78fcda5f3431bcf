"""Commands as processes of their own, one at a time, with progress, log, stop and resume.

A job outlives the page and the server that started it: everything about it is in its folder.
"""

from sparcell.jobs.job import CommandJob, State
from sparcell.jobs.queue import JobQueue

__all__ = ["CommandJob", "JobQueue", "State"]
