"""What may be said of an error of the AWS SDK."""

import re
from typing import Final

_HEADER: Final = re.compile(r"Invalid header value.*")
_BROKEN: Final = "a credential can't be sent, for there is a line break in it"


def sdk_text(error: Exception | str) -> str:
    """Return what an error of the SDK says, without what it may quote of credentials.

    Python quotes a header that can't be sent, so the session token. A service that refuses a signature quotes all that
    was signed, the token among it, in the lines after the first.
    """
    lines = str(error).strip().splitlines() or [""]
    return _HEADER.sub(_BROKEN, lines[0])
