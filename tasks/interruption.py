"""Whether the run of this process was interrupted by Ctrl-C."""

import threading

# Set once, and never cleared: from then on no task is retried and no thread waited for.
interrupted = threading.Event()
