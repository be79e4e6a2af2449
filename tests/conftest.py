"""For all tests: Ctrl-C means what it means in a terminal.

A job in the background of a shell starts with SIGINT ignored, and so would every process that a test starts.
"""

import signal

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
