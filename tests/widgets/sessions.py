"""What `record_lab` runs."""

import tinytorch as tt


class Session:
    """A model with a cache; a broken one forgets what it has read after each pass."""

    def __init__(self, model, *, forgets: bool = False):
        self.model, self.forgets = model, forgets
        self.cache = tt.enable_kv_cache(model)

    def feed(self, tokens):
        if self.forgets:
            self.cache.reset()
        return self.model.forward(tokens)
