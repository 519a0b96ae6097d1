"""How a Tintype program ends: errors that teach, and exit statuses that scripts can rely on."""

import os
import signal
import sys
from collections.abc import Callable


class UserError(Exception):
    """A mistake the user can mend. The message says what was found, where, what is allowed, what to do."""


class Failure(Exception):
    """Work that failed through nobody's mistake. The message says where, what is kept, what to do."""


def run(main: Callable[[], None]) -> None:
    """Run a program's `main` and leave the process with the promised exit status.

    Exits with 0 when `main` returns, 2 after a `UserError` and 1 after a `Failure` (message only), 1 after
    any other exception (with its traceback, by Python itself), 130 when stopped by Ctrl-C or SIGTERM.
    """
    # A SIGTERM unwinds the stack like Ctrl-C does, so that half-written outputs are cleared away.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        main()
        sys.stdout.flush()  # here, where a reader that went away is understood
    except (UserError, Failure) as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, UserError) else 1)
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output went away (`| head`): nothing to say, and nobody to say it to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
