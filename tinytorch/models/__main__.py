"""Fetch SmolLM2 and say where it is: ``python -m tinytorch.models``."""

from __future__ import annotations

import sys

from tinytorch.models.download import DownloadError, fetch_smollm2

if __name__ == "__main__":
    try:
        print(f"SmolLM2-135M-Instruct (Apache-2.0) is in {fetch_smollm2()}")
    except DownloadError as error:
        sys.exit(f"error: {error}")
