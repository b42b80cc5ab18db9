"""What the pictures of the server explorer show, worked out from Python's pool and steps."""

from collections import Counter

import numpy as np
import pytest

from tinytorch.analysis.server_simulation import ServerSimulation
from tinytorch.serving import Step


class KnownTexts:
    """The known blocks of a simulation, block by block, by the hashes of its requests' texts."""

    def __init__(self, simulation: ServerSimulation):
        self.simulation = simulation
        self.places: dict[bytes, tuple[int, bytes | None]] = {}

    def runs(self) -> list[dict]:
        """Say of each block alone whether a run begins with it; join those that do not."""
        scheduler = self.simulation.scheduler
        pool = scheduler.pool
        for request in self.simulation.requests:
            for i, text in enumerate(request.hashes):
                self.places[text] = i, request.hashes[i - 1] if i else None
        known = sorted(pool.known.items(), key=lambda item: self.places[item[0]][0])
        blocks = dict(known)
        holders = {
            block: [one.index for one in scheduler.running if block in one.table.block_ids]
            for block in blocks.values()
        }
        assert all(len(held) == pool.ref_counts[block] for block, held in holders.items())
        num_behind = Counter(self.places[text][1] for text in blocks)
        runs: dict[bytes, dict] = {}
        for text, block in known:
            index, before = self.places[text]
            block_before = blocks.get(before)
            goes_on = (
                block_before is not None
                and num_behind[before] == 1
                and holders[block_before] == holders[block]
            )
            if goes_on:
                runs[text] = runs[before]
                runs[text]["blocks"].append(block)
                runs[text]["tokens"] += pool.block_size
            else:
                runs[text] = {
                    "start": index * pool.block_size,
                    "blocks": [block],
                    "tokens": pool.block_size,
                    "holders": holders[block],
                    "before": block_before,
                }
        return list({id(run): run for run in runs.values()}.values())


def mask_of(step: Step) -> dict:
    """Draw each mask with a one where a query looks at a key, and count."""
    sizes = [(len(one.tokens), one.request.table.seq_pos) for one in step.chunks]
    masks = [np.tri(queries, kept + queries, kept) for queries, kept in sizes]
    shapes = np.array([mask.shape for mask in masks]).reshape(-1, 2)
    most_queries, most_keys = shapes.max(axis=0, initial=0).tolist()
    padded = np.zeros((len(masks), most_queries, most_keys), bool)
    for batch, (queries, keys) in zip(padded, shapes, strict=True):
        batch[:queries, :keys] = True
    return {
        "mostQueries": most_queries,
        "mostKeys": most_keys,
        "numQueries": sum(queries for queries, _ in sizes),
        "numPairs": int(sum(mask.sum() for mask in masks)),
        "empty": pytest.approx(np.mean(~padded) if padded.size else 0, abs=1e-12),
    }
