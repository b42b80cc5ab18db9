"""Real weights: SmolLM2-135M-Instruct."""

from tinytorch.models.download import DownloadError, fetch_smollm2, smollm2_gguf
from tinytorch.models.smollm2 import load_smollm2
from tinytorch.models.tokenizer import ChatTokenizer

__all__ = ["ChatTokenizer", "DownloadError", "fetch_smollm2", "load_smollm2", "smollm2_gguf"]
