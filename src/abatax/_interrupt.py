"""Ctrl-C ends a command within two seconds with one line and exit code 130, at any point of the process.

`KeyboardInterrupt` is not sufficient: Python raises it in the main thread only when that thread runs Python code again, which compiled
code may delay for minutes, and a callback of compiled code or of the garbage collector may suppress it. The process is therefore ended
directly: by the handler of the signal, or by a thread that receives the signal at once, from the descriptor to which Python's handler
in C writes. No result is lost, because files appear under their name when they are complete, and a later command continues from them.
"""

import os
import signal
import socket
import sys
import threading
from collections.abc import Callable

EXIT_CODE = 130  # 128 + SIGINT, the convention of shells

_ending = threading.Lock()  # acquired once, by the thread that ends the process
_watching = False
_outlook: Callable[[], str] = lambda: "nothing was written."


def watch_for_interrupts() -> None:
    """Handle interrupts from now on; only in the main thread, and not if interrupts are ignored (as in the background of a shell)."""
    global _watching
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if _watching or ignored or threading.current_thread() is not threading.main_thread():
        return
    receiver, sender = socket.socketpair()
    sender.setblocking(False)
    signal.signal(signal.SIGINT, lambda *_: end_interrupted())
    signal.set_wakeup_fd(sender.detach(), warn_on_full_buffer=False)
    threading.Thread(target=_watch, args=(receiver,), daemon=True).start()
    _watching = True


def after_an_interrupt(outlook: Callable[[], str]) -> None:
    """Set the function that returns the advice in the line; it is called when the line is printed."""
    global _outlook
    _outlook = outlook


def end_interrupted() -> None:
    """Print the line, remove incomplete files and end the process, without waiting for other threads."""
    if not _ending.acquire(blocking=False):
        threading.Event().wait()  # another thread is about to end the process
    try:
        if "abatax.common" in sys.modules:
            sys.modules["abatax.common"].discard_incomplete()
        # A live display hides the cursor. The line is written without the locks of `sys.stderr`, which the main thread may hold.
        shown = "\r\x1b[2K\x1b[?25h" if os.isatty(2) else ""
        os.write(2, f"{shown}Interrupted: {_outlook()}\n".encode(errors="backslashreplace"))
    finally:
        os._exit(EXIT_CODE)


def _watch(receiver: socket.socket) -> None:
    while signal.SIGINT not in receiver.recv(64):
        pass
    end_interrupted()
