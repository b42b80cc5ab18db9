"""Public models as numbers: the shapes that decide what a key/value cache costs."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

MLPS = ("gelu", "swiglu")
BIASES = ("none", "qkv", "all")
DIMENSIONS = ("num_layers", "embed_dim", "num_heads", "num_kv_heads", "head_dim", "mlp_dim")


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """Dimensions of one published decoder-only transformer.

    Nothing here is a byte count except `native_bytes`: the cache is given in elements, so that
    a reader can put it in any data type.

    Parameters
    ----------
    name : str
    num_layers, embed_dim, num_heads, num_kv_heads : int
    head_dim : int
        Width of one head, D. It need not be ``embed_dim / num_heads`` (Qwen3, Gemma).
    mlp_dim : int
        Inner width of the MLP; of one expert where the MLP is a mixture.
    vocab_size : int
        Rows of the embedding matrix, as `num_parameters` counts them.
    max_context : int
        Tokens in the longest sequence the model was published for: what its paper or model card
        says, and what its configuration allows only where these say nothing.
    num_parameters : int
        The published count of the text model, or the count of its published tensors.
    source : str
        Where the dimensions come from.
    mlp : {"gelu", "swiglu"}
        Two matrices, or three with a gate. "swiglu" stands for every gated MLP, also for the
        GeGLU of Gemma: the activation does not change a count.
    tied_embeddings : bool
        Whether the output layer shares the token embedding's weights.
    learned_positions : bool
        Whether each position has a learned vector; otherwise positions are rotary.
    biases : {"none", "qkv", "all"}
        Which linear layers have a bias. "all" also gives the layer norms one, and never the
        output layer.
    norms_per_layer : int
        Norms of width `embed_dim` in a block. Gemma has 4.
    qk_norm : bool
        Whether queries and keys are normalised, with one weight vector of width `head_dim` each.
    native_bytes : int
        Bytes per element in the published data type: 2 for bf16 or fp16, 4 for fp32.
    latent_dim, rope_dim : int, optional
        Multi-head latent attention (MLA): the cache holds one vector of
        ``latent_dim + rope_dim`` elements per token and layer instead of keys and values.
    window, num_windowed_layers : int, optional
        Sliding-window attention: so many layers keep at most `window` tokens.
    num_experts, num_active_experts : int, optional
        Mixture of experts: routed experts in a layer, and how many of them one token uses.
    note : str
        What a reader should know, including what could not be checked.

    Raises
    ------
    ValueError
        If a value is out of range or does not fit the others; the message names the field.
    """

    name: str
    num_layers: int
    embed_dim: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    mlp_dim: int
    vocab_size: int
    max_context: int
    num_parameters: int
    source: str
    mlp: str = "swiglu"
    tied_embeddings: bool = False
    learned_positions: bool = False
    biases: str = "none"
    norms_per_layer: int = 2
    qk_norm: bool = False
    native_bytes: int = 2
    latent_dim: int | None = None
    rope_dim: int | None = None
    window: int | None = None
    num_windowed_layers: int = 0
    num_experts: int | None = None
    num_active_experts: int | None = None
    note: str = ""

    def __post_init__(self):
        for name in ("name", "source"):
            if not getattr(self, name):
                raise ValueError(f"{name} must not be empty")
        for name in (
            *DIMENSIONS,
            "vocab_size",
            "max_context",
            "num_parameters",
            "norms_per_layer",
            "native_bytes",
        ):
            _require_int(name, getattr(self, name), least=1)
        for name in ("latent_dim", "rope_dim", "window", "num_experts", "num_active_experts"):
            if getattr(self, name) is not None:
                _require_int(name, getattr(self, name), least=1)
        _require_int("num_windowed_layers", self.num_windowed_layers, least=0)
        for name, choices in (("mlp", MLPS), ("biases", BIASES)):
            if getattr(self, name) not in choices:
                raise ValueError(f"{name}={getattr(self, name)!r} must be one of {choices}")
        for name in ("tied_embeddings", "learned_positions", "qk_norm"):
            if not isinstance(getattr(self, name), bool):
                raise ValueError(f"{name}={getattr(self, name)!r} must be True or False")
        if self.num_heads % self.num_kv_heads:
            raise ValueError(
                f"num_heads={self.num_heads} must be a multiple of "
                f"num_kv_heads={self.num_kv_heads}: each key/value head serves an equal group"
            )
        if (self.latent_dim is None) != (self.rope_dim is None):
            raise ValueError("latent_dim and rope_dim come together: give both or neither")
        if (self.window is None) != (self.num_windowed_layers == 0):
            raise ValueError("window and num_windowed_layers come together: give both or neither")
        if self.num_windowed_layers > self.num_layers:
            raise ValueError(
                f"num_windowed_layers={self.num_windowed_layers} must not exceed "
                f"num_layers={self.num_layers}"
            )
        if (self.num_experts is None) != (self.num_active_experts is None):
            raise ValueError("num_experts and num_active_experts come together: both or neither")
        if self.num_experts is not None and self.num_active_experts > self.num_experts:
            raise ValueError(
                f"num_active_experts={self.num_active_experts} must not exceed "
                f"num_experts={self.num_experts}"
            )

    @property
    def attention(self) -> str:
        """Kind of attention: "MHA", "GQA", "MQA" or "MLA"."""
        if self.latent_dim is not None:
            return "MLA"
        if self.num_kv_heads == self.num_heads:
            return "MHA"
        return "MQA" if self.num_kv_heads == 1 else "GQA"

    @property
    def kv_elements_per_token_per_layer(self) -> int:
        """Elements that one token adds to the cache of one layer."""
        if self.latent_dim is not None:
            return self.latent_dim + self.rope_dim
        return 2 * self.num_kv_heads * self.head_dim

    @property
    def kv_elements_per_token(self) -> int:
        """Elements that one token adds to the caches of all layers, windows ignored."""
        return self.num_layers * self.kv_elements_per_token_per_layer

    def kv_elements(self, seq_len: int) -> int:
        """Count the elements cached for one sequence.

        Parameters
        ----------
        seq_len : int
            Tokens in the sequence. It may exceed `max_context`.

        Returns
        -------
        int
            Elements in all layers; a windowed layer holds ``min(seq_len, window)`` tokens.
        """
        _require_int("seq_len", seq_len, least=0)
        tokens = (self.num_layers - self.num_windowed_layers) * seq_len
        if self.window is not None:
            tokens += self.num_windowed_layers * min(seq_len, self.window)
        return tokens * self.kv_elements_per_token_per_layer


def parameter_count(spec: ModelSpec) -> int:
    """Count the parameters that the dimensions of `spec` imply.

    Parameters
    ----------
    spec : ModelSpec

    Returns
    -------
    int
        Embeddings, attention, MLP or experts and their router, norms, and the output layer.

    Raises
    ------
    ValueError
        If `spec` uses MLA, whose projections have ranks that a `ModelSpec` does not hold.
    """
    if spec.attention == "MLA":
        raise ValueError(f"{spec.name} uses MLA; its projections are not described by a ModelSpec")
    query_dim = spec.num_heads * spec.head_dim
    kv_dim = spec.num_kv_heads * spec.head_dim
    all_biased = spec.biases == "all"

    attention = 2 * spec.embed_dim * (query_dim + kv_dim)
    if spec.biases != "none":
        attention += query_dim + 2 * kv_dim
    inner_matrices = 2 if spec.mlp == "swiglu" else 1
    mlp = (inner_matrices + 1) * spec.embed_dim * spec.mlp_dim
    if all_biased:
        attention += spec.embed_dim
        mlp += inner_matrices * spec.mlp_dim + spec.embed_dim
    if spec.num_experts is not None:
        router_row = spec.embed_dim
        mlp = spec.num_experts * (mlp + router_row)
    norm = spec.embed_dim * (2 if all_biased else 1)
    block = attention + mlp + spec.norms_per_layer * norm
    if spec.qk_norm:
        block += 2 * spec.head_dim

    rows = spec.vocab_size * (1 if spec.tied_embeddings else 2)
    if spec.learned_positions:
        rows += spec.max_context
    return spec.num_layers * block + norm + rows * spec.embed_dim


def get_model(name: str) -> ModelSpec:
    """Find a model of `MODEL_ZOO` or `CHAPTER_MODELS`, in any case.

    Parameters
    ----------
    name : str

    Returns
    -------
    ModelSpec

    Raises
    ------
    ValueError
        If there is no such model; the message lists the names that are close to it.
    """
    models = {key.lower(): spec for key, spec in (MODEL_ZOO | CHAPTER_MODELS).items()}
    if name.lower() in models:
        return models[name.lower()]
    close = difflib.get_close_matches(name.lower(), models, n=4, cutoff=0.5)
    heading = "close matches" if close else "known models"
    names = ", ".join(models[key].name for key in close or models)
    raise ValueError(f"no model named {name!r}; {heading}: {names}")


def _require_int(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name}={value!r} must be an integer of at least {least}")


def _row(name, source, shape, vocab_size, max_context, num_parameters, **rest) -> ModelSpec:
    return ModelSpec(
        name=name,
        source=source,
        vocab_size=vocab_size,
        max_context=max_context,
        num_parameters=num_parameters,
        **dict(zip(DIMENSIONS, shape, strict=True)),
        **rest,
    )


_LITGPT = "Lightning-AI/litgpt@0006c97:litgpt/config.py "
_NANOGPT = "karpathy/nanoGPT@0011cd4:model.py GPT.from_pretrained"
_GPT3 = "arXiv:2005.14165 Table 2.1, read in third-party copies"
_DEEPSEEK_67B = "arXiv:2401.02954 and deepseek-llm-67b-base config.json, read in third-party copies"
_DEEPSEEK_V2 = "arXiv:2405.04434 and DeepSeek-V2 config.json, read in third-party copies"
_DEEPSEEK_V3 = "arXiv:2412.19437 and DeepSeek-V3 config.json, read in third-party copies"
_TINYTORCH = (
    "harvard-edge/cs249r_book@0280583:tinytorch/src/18_memoization/18_memoization.py "
    "analyze_kvcache_memory"
)

_NOTE_GPT3 = (
    "The weights were never published: 2 bytes per element is an assumption. Some layers attend "
    "in a banded sparse pattern; counted here as if dense. The dimensions, with GPT-2's "
    "vocabulary and tied embeddings, give 174.6e9 parameters."
)
_NOTE_LLAMA31 = "Llama 3.1 has the same shape and a context of 131072."
_NOTE_MISTRAL = (
    "Trained with 8192 tokens (arXiv:2310.06825). Later versions have no window; litgpt stores "
    "the window as the context."
)
_NOTE_GEMMA3 = (
    "Text model. The checkpoint pads the embedding to 262208 rows; the count leaves those out."
)
_NOTE_QWEN3 = "The model card gives 32768 tokens; config.json allows 40960 positions."
_NOTE_QWEN3_MOE = _NOTE_QWEN3 + " 3.3e9 parameters active."
_NOTE_PHI3 = "Window as in the model's config.json; litgpt stores 2048."
_NOTE_V2 = (
    "Two shared experts besides the routed ones, and the first layer is dense; 21e9 parameters "
    "active. config.json allows 163840 positions."
)
_NOTE_V3 = (
    "One shared expert besides the routed ones, and three layers are dense; 37e9 parameters "
    "active. Weights are published in 8 bits, so 2 bytes is the cache's element. The "
    "multi-token prediction module is not counted."
)
_NOTE_CHAPTER = (
    "The source gives width, depth and context. Heads and vocabulary are ours, after its example "
    "model of 4 heads and 100 tokens; heads do not change the cache."
)

_GPT = {"mlp": "gelu", "tied_embeddings": True, "learned_positions": True, "biases": "all"}
_GPT2 = {**_GPT, "native_bytes": 4}
_TIED = {"tied_embeddings": True}
_GEMMA2 = {"tied_embeddings": True, "norms_per_layer": 4, "window": 4096}
_GEMMA3 = {"tied_embeddings": True, "norms_per_layer": 4, "qk_norm": True, "window": 1024}
_QWEN25 = {"biases": "qkv"}
_QWEN3 = {"qk_norm": True, "note": _NOTE_QWEN3}

# One model is one row, so that columns can be compared.
# fmt: off
_ZOO = (
    # name, source, (layers, embed, heads, kv heads, head, mlp), vocabulary, context, parameters
    _row("GPT-2 small", _NANOGPT, (12, 768, 12, 12, 64, 3072), 50257, 1024, 124_439_808, **_GPT2),
    _row("GPT-2 medium", _NANOGPT, (24, 1024, 16, 16, 64, 4096), 50257, 1024, 354_823_168, **_GPT2),
    _row("GPT-2 large", _NANOGPT, (36, 1280, 20, 20, 64, 5120), 50257, 1024, 774_030_080, **_GPT2),
    _row("GPT-2 XL", _NANOGPT, (48, 1600, 25, 25, 64, 6400), 50257, 1024, 1_557_611_200, **_GPT2),
    _row("GPT-3 175B", _GPT3, (96, 12288, 96, 96, 128, 49152), 50257, 2048, 175_000_000_000,
         **_GPT, note=_NOTE_GPT3),
    _row("Llama-2-7B", _LITGPT + "Llama-2-7b-hf",
         (32, 4096, 32, 32, 128, 11008), 32000, 4096, 6_738_415_616),
    _row("Llama-2-13B", _LITGPT + "Llama-2-13b-hf",
         (40, 5120, 40, 40, 128, 13824), 32000, 4096, 13_015_864_320),
    _row("Llama-2-70B", _LITGPT + "Llama-2-70b-hf",
         (80, 8192, 64, 8, 128, 28672), 32000, 4096, 68_976_648_192),
    _row("Llama-3-8B", _LITGPT + "Llama-3-8B",
         (32, 4096, 32, 8, 128, 14336), 128256, 8192, 8_030_261_248, note=_NOTE_LLAMA31),
    _row("Llama-3-70B", _LITGPT + "Llama-3-70B",
         (80, 8192, 64, 8, 128, 28672), 128256, 8192, 70_553_706_496, note=_NOTE_LLAMA31),
    _row("Llama-3.1-405B", _LITGPT + "Llama-3.1-405B",
         (126, 16384, 128, 8, 128, 53248), 128256, 131072, 405_853_388_800),
    _row("Llama-3.2-1B", _LITGPT + "Llama-3.2-1B",
         (16, 2048, 32, 8, 64, 8192), 128256, 131072, 1_235_814_400, **_TIED),
    _row("Mistral-7B v0.1", _LITGPT + "Mistral-7B-v0.1",
         (32, 4096, 32, 8, 128, 14336), 32000, 8192, 7_241_732_096,
         window=4096, num_windowed_layers=32, note=_NOTE_MISTRAL),
    _row("Mixtral-8x7B", _LITGPT + "Mixtral-8x7B-v0.1",
         (32, 4096, 32, 8, 128, 14336), 32000, 32768, 46_702_792_704,
         num_experts=8, num_active_experts=2, note="12.9e9 parameters active."),
    _row("Gemma-2-2B", _LITGPT + "Gemma-2-2b",
         (26, 2304, 8, 4, 256, 9216), 256000, 8192, 2_614_341_888,
         **_GEMMA2, num_windowed_layers=13),
    _row("Gemma-2-9B", _LITGPT + "Gemma-2-9b",
         (42, 3584, 16, 8, 256, 14336), 256000, 8192, 9_241_705_984,
         **_GEMMA2, num_windowed_layers=21),
    _row("Gemma-2-27B", _LITGPT + "Gemma-2-27b",
         (46, 4608, 32, 16, 128, 36864), 256000, 8192, 27_227_128_320,
         **_GEMMA2, num_windowed_layers=23),
    _row("Gemma-3-1B", _LITGPT + "Gemma-3-1b-it",
         (26, 1152, 4, 1, 256, 6912), 262144, 32768, 999_885_952,
         **{**_GEMMA3, "window": 512}, num_windowed_layers=22,
         note="Context as in the technical report; litgpt stores 131072."),
    _row("Gemma-3-4B", _LITGPT + "Gemma-3-4b-it",
         (34, 2560, 8, 4, 256, 10240), 262144, 131072, 3_880_099_328,
         **_GEMMA3, num_windowed_layers=29, note=_NOTE_GEMMA3),
    _row("Gemma-3-12B", _LITGPT + "Gemma-3-12b-it",
         (48, 3840, 16, 8, 256, 15360), 262144, 131072, 11_765_788_416,
         **_GEMMA3, num_windowed_layers=40, note=_NOTE_GEMMA3),
    _row("Gemma-3-27B", _LITGPT + "Gemma-3-27b-it",
         (62, 5376, 32, 16, 128, 21504), 262144, 131072, 27_009_002_240,
         **_GEMMA3, num_windowed_layers=52, note=_NOTE_GEMMA3),
    _row("Qwen2.5-0.5B", _LITGPT + "Qwen2.5-0.5B",
         (24, 896, 14, 2, 64, 4864), 151936, 32768, 494_032_768, **_QWEN25, **_TIED),
    _row("Qwen2.5-7B", _LITGPT + "Qwen2.5-7B",
         (28, 3584, 28, 4, 128, 18944), 152064, 131072, 7_615_616_512, **_QWEN25),
    _row("Qwen2.5-72B", _LITGPT + "Qwen2.5-72B",
         (80, 8192, 64, 8, 128, 29568), 152064, 131072, 72_706_203_648, **_QWEN25),
    _row("Qwen3-0.6B", _LITGPT + "Qwen3-0.6B",
         (28, 1024, 16, 8, 128, 3072), 151936, 32768, 596_049_920, **_QWEN3, **_TIED),
    _row("Qwen3-8B", _LITGPT + "Qwen3-8B",
         (36, 4096, 32, 8, 128, 12288), 151936, 32768, 8_190_735_360, **_QWEN3),
    _row("Qwen3-32B", _LITGPT + "Qwen3-32B",
         (64, 5120, 64, 8, 128, 25600), 151936, 32768, 32_762_123_264, **_QWEN3),
    _row("Qwen3-30B-A3B", _LITGPT + "Qwen3-30B-A3B",
         (48, 2048, 32, 4, 128, 768), 151936, 32768, 30_532_122_624,
         qk_norm=True, num_experts=128, num_active_experts=8, note=_NOTE_QWEN3_MOE),
    _row("SmolLM2-135M", _LITGPT + "SmolLM2-135M",
         (30, 576, 9, 3, 64, 1536), 49152, 8192, 134_515_008, **_TIED),
    _row("SmolLM2-360M", _LITGPT + "SmolLM2-360M",
         (32, 960, 15, 5, 64, 2560), 49152, 8192, 361_821_120, **_TIED),
    _row("SmolLM2-1.7B", _LITGPT + "SmolLM2-1.7B",
         (24, 2048, 32, 32, 64, 8192), 49152, 8192, 1_711_376_384, **_TIED),
    _row("Phi-3-mini-4k", _LITGPT + "Phi-3-mini-4k-instruct",
         (32, 3072, 32, 32, 96, 8192), 32064, 4096, 3_821_079_552,
         window=2047, num_windowed_layers=32, note=_NOTE_PHI3),
    _row("DeepSeek-V2", _DEEPSEEK_V2,
         (60, 5120, 128, 128, 128, 1536), 102400, 131072, 235_741_434_880,
         latent_dim=512, rope_dim=64, num_experts=160, num_active_experts=6, note=_NOTE_V2),
    _row("DeepSeek-V3", _DEEPSEEK_V3,
         (61, 7168, 128, 128, 128, 2048), 129280, 131072, 671_026_419_200,
         latent_dim=512, rope_dim=64, num_experts=256, num_active_experts=8, note=_NOTE_V3),
    _row("DeepSeek-67B", _DEEPSEEK_67B,
         (95, 8192, 64, 8, 128, 22016), 102400, 4096, 67_425_001_472),
)

_CHAPTER = {**_GPT2, "tied_embeddings": False, "note": _NOTE_CHAPTER}
_TEACHING = (
    _row("Tiny 128D", _TINYTORCH, (4, 128, 4, 4, 32, 512), 100, 32, 823_040, **_CHAPTER),
    _row("Small 512D", _TINYTORCH, (8, 512, 8, 8, 64, 2048), 100, 64, 25_355_264, **_CHAPTER),
    _row("Medium 768D", _TINYTORCH, (12, 768, 12, 12, 64, 3072), 100, 128, 85_307_904, **_CHAPTER),
    _row("Large 1024D", _TINYTORCH, (16, 1024, 16, 16, 64, 4096), 100, 256, 202_008_576,
         **_CHAPTER),
)
# fmt: on

MODEL_ZOO: dict[str, ModelSpec] = {spec.name: spec for spec in _ZOO}
CHAPTER_MODELS: dict[str, ModelSpec] = {spec.name: spec for spec in _TEACHING}
