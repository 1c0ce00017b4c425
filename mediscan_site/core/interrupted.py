"""What a time limit may have broken off in the process itself, beyond the work that it ended."""

import logging
import os
from typing import Final, NoReturn

log = logging.getLogger(__name__)
_IMPORTS: Final = "<frozen importlib"


def an_import(error: BaseException) -> bool:
    """Whether it was raised while a module was loaded. A library that is half loaded (PyTorch, pydicom) cannot be loaded again in
    the same process: from then on it would fail at everything that it is given."""
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        # Python takes its own frames out of most tracebacks: what is left of an import is the body of a module.
        if code.co_name == "<module>" or code.co_filename.startswith(_IMPORTS):
            return True
        trace = trace.tb_next
    return False


def leave(what: str) -> NoReturn:
    """End this process of a worker at once; the worker starts another one, and the message comes again."""
    log.critical(
        "%s reached its time limit while a library was loaded: this process ends, and another one begins", what
    )
    logging.shutdown()
    os._exit(os.EX_TEMPFAIL)
