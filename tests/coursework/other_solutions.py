"""Two solutions written without a look at the reference, and a copy that hides where it is from."""

from __future__ import annotations

import re

from coursework.course import student_notebook
from tests.coursework.submissions import Notebook, cell_of, solved

STACKED = {
    "profile_naive": """
def profile_naive(model, prompt, num_tokens):
    rows = []
    tokens = [int(token) for token in prompt[0]]
    while len(rows) < num_tokens:
        with tt.count_operations() as counter:
            scores = model.forward(np.array([tokens]), last_only=True)
        rows.append((len(tokens), counter.total))
        tokens.append(int(np.argmax(scores[0, -1])))
    return rows
""",
    "kv_cache": '''
class KVCache:
    """One array a layer, with keys before values."""

    def __init__(self, batch_size, max_seq_len, num_layers, num_heads, head_dim):
        sizes = dict(locals())
        del sizes["self"]
        vars(self).update(sizes)
        shape = 2, batch_size, num_heads, max_seq_len, head_dim
        self.room = [np.empty(shape, np.float32) for _ in range(num_layers)]
        self.reset()

    def update(self, layer_idx, key, value):
        new = np.stack([key, value])
        if new.shape[3] > self.max_seq_len - self.seq_pos:
            raise ValueError("the cache is full")
        both = self.room[layer_idx][..., : self.seq_pos + new.shape[3], :]
        both[..., self.seq_pos :, :] = new
        return both[0], both[1]

    def advance(self, num_tokens=1):
        self.seq_pos = self.seq_pos + num_tokens

    def get(self, layer_idx):
        return tuple(self.room[layer_idx][..., : self.seq_pos, :])

    def reset(self):
        setattr(self, "seq_pos", 0)
''',
    "positions_of": """
def positions_of(seq_pos, num_tokens, num_pads=(0,)):
    def place(column, pads):
        return column - pads if column > pads else 0

    columns = list(range(seq_pos, seq_pos + num_tokens))
    return np.array([[place(column, pads) for column in columns] for pads in num_pads])
""",
    "enable_cache": """
class CachedLayer:
    def __init__(self, attention, number, cache, num_pads):
        self.attention, self.number = attention, number
        self.cache, self.num_pads = cache, num_pads

    def __call__(self, x, rotation=None):
        q, *new = self.attention.project(x, rotation)
        history = self.cache.update(self.number, *new)
        return self.attention.merge(attend_rows(q, *history, self.num_pads))


def enable_cache(model, cache, num_pads=(0,)):
    disable_cache(model)
    inner = type(model).forward

    def step(tokens, positions=None, **options):
        rows, width = tokens.shape
        if positions is None:
            positions = positions_of(cache.seq_pos, width, num_pads)
        try:
            return inner(model, tokens, positions, **options)
        finally:
            cache.advance(width)

    vars(model)["forward"] = step
    number = 0
    while number < len(model.blocks):
        layer = model.blocks[number].attention
        vars(layer)["forward"] = CachedLayer(layer, number, cache, num_pads)
        number += 1


def disable_cache(model):
    owners = [model]
    owners += [each.attention for each in model.blocks]
    while owners:
        owner = owners.pop()
        if "forward" in vars(owner):
            del owner.forward
""",
    "generate_cached": """
def generate_cached(model, cache, prompt, num_tokens, num_pads=(0,)):
    columns = [prompt]
    cache.reset()
    try:
        enable_cache(model, cache, num_pads)
        while len(columns) <= num_tokens:
            best = np.argmax(model.forward(columns[-1], last_only=True)[:, -1], axis=-1)
            columns.append(best[:, np.newaxis])
    finally:
        disable_cache(model)
    return np.hstack(columns)
""",
    "analyses": """
def cache_bytes(num_layers, num_kv_heads, head_dim, seq_len, batch_size=1, bytes_per_element=4):
    one_token = head_dim * bytes_per_element * num_kv_heads
    keys = one_token * seq_len * batch_size * num_layers
    return keys + keys


def operation_ratios(num_tokens):
    n = num_tokens
    return (n + 1) / 2, (2 * n + 1) / 3
""",
}

BY_NAME = STACKED | {
    "profile_naive": """
def profile_naive(model, prompt, num_tokens):
    result = [None] * num_tokens
    for i in range(num_tokens):
        counted = tt.count_operations()
        with counted as c:
            out = model.forward(prompt, last_only=True)
        result[i] = prompt.shape[-1], c.total
        prompt = np.hstack((prompt, np.argmax(out, axis=2)[:, -1:]))
    return result
""",
    "kv_cache": """
class KVCache:
    def __init__(self, batch_size, max_seq_len, num_layers, num_heads, head_dim):
        self.batch_size, self.max_seq_len = batch_size, max_seq_len
        self.num_layers, self.num_heads, self.head_dim = num_layers, num_heads, head_dim
        self.storage = {}
        for kind in "kv":
            for layer in range(num_layers):
                empty = np.zeros([batch_size, num_heads, max_seq_len, head_dim], dtype="float32")
                self.storage[kind, layer] = empty
        self.seq_pos = 0

    def _window(self, layer, begin, end):
        return [self.storage[kind, layer][:, :, begin:end] for kind in ("k", "v")]

    def update(self, layer_idx, key, value):
        begin = self.seq_pos
        end = begin + np.shape(key)[-2]
        if not end <= self.max_seq_len:
            raise ValueError(f"no room for token {end}")
        for place, new in zip(self._window(layer_idx, begin, end), (key, value)):
            np.copyto(place, new)
        return self._window(layer_idx, 0, end)

    def advance(self, num_tokens=1):
        for _ in range(num_tokens):
            self.seq_pos += 1

    def get(self, layer_idx):
        return self._window(layer_idx, 0, self.seq_pos)

    def reset(self):
        self.advance(-self.seq_pos) if False else setattr(self, "seq_pos", 0)
""",
    "positions_of": """
def positions_of(seq_pos, num_tokens, num_pads=(0,)):
    grid = np.arange(seq_pos, seq_pos + num_tokens)[None]
    return np.clip(grid - np.reshape(num_pads, (-1, 1)), 0, None)
""",
    "enable_cache": """
def enable_cache(model, cache, num_pads=(0,)):
    disable_cache(model)
    before = model.forward
    for i, block in enumerate(model.blocks):
        block.attention.forward = lambda x, rotation=None, i=i, a=block.attention: (
            one_layer(a, cache, i, x, rotation, num_pads)
        )

    def cached(tokens, positions=None, last_only=False):
        where = positions
        if where is None:
            where = positions_of(cache.seq_pos, len(tokens[0]), num_pads)
        out = before(tokens, where, last_only=last_only)
        cache.advance(len(tokens[0]))
        return out

    model.forward = cached


def one_layer(attention, cache, i, x, rotation, num_pads):
    q, k, v = attention.project(x, rotation)
    all_k, all_v = cache.update(i, k, v)
    heads = attend_rows(q, all_k, all_v, num_pads)
    return attention.merge(heads)


def disable_cache(model):
    model.__dict__.pop("forward", None)
    for block in model.blocks:
        block.attention.__dict__.pop("forward", None)
""",
    "generate_cached": """
def generate_cached(model, cache, prompt, num_tokens, num_pads=(0,)):
    cache.reset()
    out = np.array(prompt)
    feed = out
    enable_cache(model, cache, num_pads)
    try:
        for step in range(num_tokens):
            scores = model.forward(feed, last_only=True)
            feed = np.argmax(scores[:, [-1], :], axis=2)
            out = np.hstack((out, feed))
    finally:
        disable_cache(model)
    return out
""",
    "analyses": """
def cache_bytes(num_layers, num_kv_heads, head_dim, seq_len, batch_size=1, bytes_per_element=4):
    return int(np.prod([2, num_layers, num_kv_heads, head_dim, seq_len, batch_size])) * (
        bytes_per_element
    )


def operation_ratios(num_tokens):
    n = np.arange(num_tokens) + 1.0
    return n.sum() / n.size, (n**2).sum() / n.sum()
""",
}

NEW_NAMES = {
    "rows": "listing",
    "tokens": "ids",
    "counter": "meter",
    "scores": "outputs",
    "room": "slots",
    "new": "fresh",
    "both": "pair",
    "sizes": "given",
    "columns": "parts",
    "place": "spot",
    "CachedLayer": "Wrapped",
    "number": "which",
    "inner": "original",
    "step": "replacement",
    "owner": "thing",
    "owners": "things",
    "best": "winner",
    "one_token": "per_token",
    "n": "length",
}


def with_cells(cells: dict[str, str]) -> Notebook:
    """Return a solution whose tasks are solved by these texts, without answers in words."""
    notebook, release = solved(), student_notebook()
    for cell in notebook.cells:
        name = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        if name.startswith("written_"):
            cell.source = cell_of(release, name).source
    for name, source in cells.items():
        cell_of(notebook, name).source = source.strip("\n")
    return notebook


def disguised(cells: dict[str, str]) -> dict[str, str]:
    """Return the same code with other names, comments and blank lines."""

    def hide(source: str) -> str:
        source = re.sub(r"\b\w+\b", lambda word: NEW_NAMES.get(word[0], word[0]), source)
        return source.replace("\n    ", "\n\n    # as I see it\n    ", 1)

    return {name: hide(source) for name, source in cells.items()}
