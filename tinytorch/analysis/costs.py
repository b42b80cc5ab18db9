"""What generation costs, in closed form: multiply-adds and bytes, with and without a cache.

One multiply-add is two floating-point operations. Element-wise work (norms, activations,
softmax) is not counted, as in `tinytorch.profiling.count_operations`, whose counts these
formulas equal to the unit. `kv_projections` and `generation_score_pairs` are the textbook
counts of one head, without the blocks of `attend`.

The functions take a `ModelConfig` or a `ModelSpec`.
"""

from __future__ import annotations

import math
from collections import Counter

from tinytorch.analysis.model_zoo import ModelSpec, parameter_count
from tinytorch.core import ModelConfig, weight_shapes
from tinytorch.core.attention import QUERY_BLOCK


def score_pairs(num_queries: int, num_keys: int, query_block: int = QUERY_BLOCK) -> int:
    """Count the query-key pairs that one head computes in one forward pass.

    Each block of queries meets all keys up to the block's last query, so up to `query_block`
    queries over as many keys are a full square: pairs under the mask are computed and dropped.

    Parameters
    ----------
    num_queries : int
        New tokens, T.
    num_keys : int
        New tokens and history, S >= T.
    query_block : int
        Queries taken at once; 1 counts only the pairs that the causal mask keeps.

    Returns
    -------
    int
    """
    history = num_keys - num_queries
    num_blocks, rest = divmod(num_queries, query_block)
    full_blocks = (
        num_blocks * query_block * history + query_block**2 * num_blocks * (num_blocks + 1) // 2
    )
    return full_blocks + rest * num_keys


def forward_operations(
    model: ModelConfig | ModelSpec,
    num_queries: int,
    num_keys: int | None = None,
    *,
    batch_size: int = 1,
    last_only: bool = True,
    query_block: int = QUERY_BLOCK,
) -> dict[str, int]:
    """Multiply-adds of one forward pass over `num_queries` new tokens of each sequence.

    Parameters
    ----------
    model : ModelConfig or ModelSpec
    num_queries : int
        New tokens, T.
    num_keys : int, optional
        New tokens and history, S. Default: T, a pass without history.
    batch_size : int
    last_only : bool
        Whether logits are computed for the last token only.
    query_block : int
        As in `score_pairs`.

    Returns
    -------
    dict of str to int
        Keys ``projections``, ``scores``, ``weighted_sum``, ``mlp``, ``logits``.

    Raises
    ------
    ValueError
        If the model has latent attention, windows or experts: `tinytorch.core` has none of them,
        so there is no count to compare with.

    Notes
    -----
    A token costs ``2 E (H + H_kv) D`` in the projections of a layer, and 2 or 3 times
    ``E * mlp_dim`` in its MLP. A query-key pair costs D for the score and D for the weighted
    sum, in each of H heads.
    """
    _require_plain_layers(model)
    num_keys = num_queries if num_keys is None else num_keys
    tokens = batch_size * num_queries * model.num_layers
    pairs = batch_size * score_pairs(num_queries, num_keys, query_block) * model.num_layers
    heads = model.num_heads + model.num_kv_heads
    matrices = 3 if model.mlp == "swiglu" else 2
    return {
        "projections": tokens * 2 * model.embed_dim * heads * model.head_dim,
        "scores": pairs * model.num_heads * model.head_dim,
        "weighted_sum": pairs * model.num_heads * model.head_dim,
        "mlp": tokens * matrices * model.embed_dim * model.mlp_dim,
        "logits": batch_size
        * (1 if last_only else num_queries)
        * model.embed_dim
        * model.vocab_size,
    }


def generation_operations(
    model: ModelConfig | ModelSpec,
    prompt_length: int,
    new_tokens: int,
    *,
    use_cache: bool,
    batch_size: int = 1,
    query_block: int = QUERY_BLOCK,
) -> dict[str, int]:
    """Multiply-adds of generating `new_tokens` tokens after a prompt, one pass for each.

    Parameters
    ----------
    model : ModelConfig or ModelSpec
    prompt_length, new_tokens : int
    use_cache : bool
        With a cache, each pass after the first is over one token and its history. Without, each
        pass is over the whole text.
    batch_size : int
    query_block : int
        As in `score_pairs`.

    Returns
    -------
    dict of str to int
        As `forward_operations`.

    Raises
    ------
    ValueError
        As `forward_operations`.
    """
    total = Counter()
    for length in range(prompt_length, prompt_length + new_tokens):
        num_queries = 1 if use_cache and length > prompt_length else length
        total.update(
            forward_operations(
                model, num_queries, length, batch_size=batch_size, query_block=query_block
            )
        )
    return dict(total)


def kv_projections(new_tokens: int, *, use_cache: bool, prompt_length: int = 1) -> int:
    """How often a token is turned into a key and a value while `new_tokens` are generated.

    Parameters
    ----------
    new_tokens : int
        Tokens generated, n: as many forward passes.
    use_cache : bool
    prompt_length : int
        Tokens in the first pass, p. The default counts n passes over 1, 2, ... n tokens.

    Returns
    -------
    int
        ``p + n - 1`` with a cache. Without, ``p + (p + 1) + ... + (p + n - 1)``, which is
        ``n (n + 1) / 2`` for p = 1; of these, ``n (n - 1) / 2`` repeat earlier work.
    """
    if use_cache:
        return prompt_length + new_tokens - 1
    return new_tokens * prompt_length + new_tokens * (new_tokens - 1) // 2


def generation_score_pairs(new_tokens: int, *, use_cache: bool, prompt_length: int = 1) -> int:
    """Count one head's query-key pairs while `new_tokens` are generated.

    Every pass over i tokens without history computes an i by i square, masked half included.
    `attend` leaves out part of that half in passes over more than QUERY_BLOCK tokens, see
    `score_pairs`.

    Parameters
    ----------
    new_tokens, use_cache, prompt_length
        As in `kv_projections`.

    Returns
    -------
    int
        ``p^2 + (p + 1) + ... + (p + n - 1)`` with a cache, which is ``n (n + 1) / 2`` for p = 1.
        Without, ``p^2 + (p + 1)^2 + ... + (p + n - 1)^2``, for p = 1
        ``n (n + 1) (2 n + 1) / 6``.
    """
    before, last = prompt_length - 1, prompt_length + new_tokens - 1
    if use_cache:
        return prompt_length**2 + _sum_to(last) - _sum_to(prompt_length)
    return _sum_of_squares_to(last) - _sum_of_squares_to(before)


def kv_cache_bytes(
    model: ModelConfig | ModelSpec,
    seq_len: int,
    *,
    batch_size: int = 1,
    bits_per_element: int = 32,
) -> int:
    """Bytes that the keys and values of `batch_size` sequences take.

    Parameters
    ----------
    model : ModelConfig or ModelSpec
    seq_len : int
        Tokens in each sequence.
    batch_size : int
    bits_per_element : int
        32 for float32, 16 for float16 and bfloat16, 8 or 4 for quantised caches (without their
        scales).

    Returns
    -------
    int
        ``2 * layers * H_kv * D * seq_len * batch_size`` elements; fewer for latent attention
        and sliding windows, see `ModelSpec.kv_elements`.
    """
    if isinstance(model, ModelSpec):
        elements = model.kv_elements(seq_len)
    else:
        elements = 2 * model.num_layers * model.num_kv_heads * model.head_dim * seq_len
    return -(-batch_size * elements * bits_per_element // 8)


def num_parameters(model: ModelConfig | ModelSpec) -> int:
    """Count the weights of a model; for a `ModelSpec`, the published count."""
    if isinstance(model, ModelSpec):
        return model.num_parameters
    return sum(math.prod(shape) for shape in weight_shapes(model).values())


def decode_bytes(
    model: ModelConfig | ModelSpec,
    seq_len: int,
    *,
    batch_size: int = 1,
    bits_per_weight: int = 32,
    bits_per_element: int = 32,
) -> int:
    """Bytes that one decoding step reads from memory: the weights once, and every cache.

    Parameters
    ----------
    model : ModelConfig or ModelSpec
        A `ModelSpec` must be dense, since a mixture reads the experts that its tokens choose.
    seq_len : int
        Tokens that each new token attends to, itself included.
    batch_size : int
    bits_per_weight, bits_per_element : int
        Of the weights and of the cache.

    Returns
    -------
    int
        Embedding tables that are only looked up count with the rows looked up.

    Raises
    ------
    ValueError
        As `forward_operations`.
    """
    _require_plain_layers(model)
    if isinstance(model, ModelSpec):
        total, learned = parameter_count(model), model.learned_positions
        positions = model.max_context if learned else 0
    else:
        total, learned = num_parameters(model), model.positions == "learned"
        positions = model.max_seq_len if learned else 0
    looked_up = positions + (0 if model.tied_embeddings else model.vocab_size)
    rows = batch_size * (1 + learned)
    elements = total - looked_up * model.embed_dim + rows * model.embed_dim
    cache = kv_cache_bytes(model, seq_len, batch_size=batch_size, bits_per_element=bits_per_element)
    return elements * bits_per_weight // 8 + cache


def arithmetic_intensity(
    model: ModelConfig | ModelSpec, seq_len: int, *, batch_size: int = 1
) -> float:
    """Floating-point operations per byte of one float32 decoding step.

    Below a machine's ratio of peak speed to memory bandwidth, memory decides the time
    (Williams et al. 2009, "Roofline", doi:10.1145/1498765.1498785).
    """
    operations = forward_operations(model, 1, seq_len, batch_size=batch_size)
    return 2 * sum(operations.values()) / decode_bytes(model, seq_len, batch_size=batch_size)


def _sum_to(n: int) -> int:
    return n * (n + 1) // 2


def _sum_of_squares_to(n: int) -> int:
    return n * (n + 1) * (2 * n + 1) // 6


def has_operation_count(model: ModelConfig | ModelSpec) -> bool:
    """Whether `forward_operations` counts the model: no latent attention, windows or experts."""
    return not _unlike_the_core(model)


def _require_plain_layers(model: ModelConfig | ModelSpec) -> None:
    if parts := _unlike_the_core(model):
        raise ValueError(f"no operation count for {model.name}: it has {' and '.join(parts)}")


def _unlike_the_core(model: ModelConfig | ModelSpec) -> list[str]:
    if not isinstance(model, ModelSpec):
        return []
    parts = {
        "latent attention": model.latent_dim,
        "sliding windows": model.window,
        "experts": model.num_experts,
    }
    return [name for name, value in parts.items() if value]
