"""What `python -m tintype` can do, one file for each command."""

import errno

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)  # errors that the next file would meet, too
