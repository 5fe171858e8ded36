"""The heap of a server's process: what viewers took and let go of goes back to the system.

The C library keeps what is free between pieces that are not. Encoders that come and go at many sizes leave
hundreds of megabytes like that, which training beside it could use.
"""

from __future__ import annotations

import ctypes
import gc
import threading
import time
from collections.abc import Callable

EVERY = 30.0  # Seconds. It takes some milliseconds where there is much.


def keep_small(sleep: Callable[[float], object] = time.sleep) -> threading.Thread | None:
    """Have collections be short, and what is free given back again and again, in a thread.

    None where the C library cannot give back. To be called when all modules are loaded, in a process that
    is the server's own.
    """
    # What is there by now stays, and need not be gone through again and again. So whole collections are
    # soon done and come often, and an encoder that is in a circle with an error is not kept for long.
    gc.freeze()
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):  # It is not glibc; on Windows None names no library.
        return None

    def work() -> None:
        while True:
            sleep(EVERY)
            trim(0)

    thread = threading.Thread(target=work, name="envstream heap", daemon=True)
    thread.start()
    return thread
