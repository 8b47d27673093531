"""Which libraries a program has imported."""

from __future__ import annotations

import subprocess
import sys


def loaded(code: str, *libraries: str) -> str:
    """Those of some libraries that a program has imported when it has run, in a process of its own: '[]' is none."""
    program = f"{code}; import sys; print([name for name in {libraries!r} if name in sys.modules])"
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip()
