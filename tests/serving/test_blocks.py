"""Blocks against a model of them that remembers whole texts and scans for what is free."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinytorch.serving import BlockPool, BlockTable, OutOfBlocksError
from tinytorch.serving.prefix import extend_hashes, known_beginning


def hashes_of(tokens, block_size):
    hashes = []
    extend_hashes(hashes, tokens, block_size)
    return hashes


def test_a_hash_covers_all_text_before():
    first, second = hashes_of([1, 2, 3, 4, 5], 2), hashes_of([9, 2, 3, 4], 2)
    assert len(first) == 2
    assert first[1] != second[1]
    assert hashes_of([1, 2, 3, 4, 9], 2) == first


def test_block_borders_are_part_of_a_text():
    assert not set(hashes_of(list(range(12)), 3)) & set(hashes_of(list(range(12)), 2))


def test_hashes_extend_what_is_there():
    hashes = hashes_of([1, 2, 3], 2)
    extend_hashes(hashes, [1, 2, 3, 4, 5, 6, 7], 2)
    assert hashes == hashes_of([1, 2, 3, 4, 5, 6, 7], 2)


def test_free_blocks_go_out_in_the_order_of_their_last_use():
    pool = BlockPool(4, 1)
    blocks = [pool.allocate() for _ in range(4)]
    for block, text_hash in zip(blocks, hashes_of([5, 6, 7, 8], 1), strict=True):
        pool.publish(block, text_hash)
    for block in (2, 0, 3, 1):
        pool.release(block)
    pool.share(0)
    pool.release(0)
    assert pool.free == [2, 3, 1, 0]
    assert [pool.allocate() for _ in range(4)] == [2, 3, 1, 0]
    assert pool.known == {}


def test_what_nobody_can_find_goes_out_first():
    pool = BlockPool(3, 1)
    for _ in range(3):
        pool.allocate()
    pool.publish(0, b"text")
    for block in (0, 1, 2):
        pool.release(block)
    assert pool.free == [2, 1, 0]


def test_no_block_is_left():
    pool = BlockPool(1, 4)
    pool.allocate()
    with pytest.raises(OutOfBlocksError, match=r"^all 1 blocks are in use$"):
        pool.allocate()


def test_a_free_block_cannot_be_released():
    with pytest.raises(ValueError, match=r"^block 1 is free already$"):
        BlockPool(2, 4).release(1)


@pytest.mark.parametrize("size", [0, -1, 1.5, True, "2"])
def test_sizes_must_be_positive_integers(size):
    message = f"^block_size must be an integer of at least 1, got {re.escape(repr(size))}$"
    with pytest.raises(ValueError, match=message):
        BlockPool(4, size)
    with pytest.raises(ValueError, match=r"^num_blocks must be"):
        BlockPool(size, 4)


def test_of_two_blocks_with_the_same_text_the_first_stays_known():
    pool = BlockPool(2, 1)
    first, second = pool.allocate(), pool.allocate()
    pool.publish(first, b"text")
    pool.publish(second, b"text")
    assert pool.known == {b"text": first}
    assert not pool.is_known(second)


def test_a_failed_reservation_changes_nothing():
    pool = BlockPool(3, 2)
    table, other = BlockTable(pool), BlockTable(pool)
    table.reserve(3)
    table.advance(3)
    other.reserve(1)
    before = list(pool.ref_counts), list(table.block_ids), pool.free
    with pytest.raises(OutOfBlocksError, match=r"^2 more tokens need 1 blocks, 0 are free$"):
        table.reserve(2)
    assert (pool.ref_counts, table.block_ids, pool.free) == before
    table.reserve(1)


def test_a_table_refuses_what_does_not_fit():
    pool = BlockPool(4, 2)
    table = BlockTable(pool)
    table.reserve(3)
    with pytest.raises(ValueError, match=r"^num_tokens must be from 0 to 4, got 5$"):
        table.advance(5)
    table.advance(3)
    with pytest.raises(ValueError, match=r"^seq_len must be from 0 to seq_pos=3, got 4$"):
        table.truncate(4)
    with pytest.raises(ValueError, match=r"^cannot adopt blocks behind 2 others$"):
        table.adopt([0], 2)
    with pytest.raises(ValueError, match=r"^5 tokens are not in 2 blocks$"):
        BlockTable(pool).adopt([0, 1], 5)


@st.composite
def histories(draw):
    """Operations on three sequences: grow by a text, cut, end, or begin as another one did."""
    who = st.integers(0, 2)
    return draw(
        st.lists(
            st.one_of(
                st.tuples(st.just("grow"), who, st.lists(st.integers(0, 1), max_size=7)),
                st.tuples(st.just("cut"), who, st.integers(0, 9)),
                st.tuples(st.just("end"), who, st.none()),
                st.tuples(st.just("begin"), who, st.lists(st.integers(0, 1), min_size=1)),
            ),
            max_size=30,
        )
    )


class Model:
    """What the blocks hold, token by token, and which full blocks each text has been given."""

    def __init__(self, num_blocks, block_size):
        self.contents = [[None] * block_size for _ in range(num_blocks)]
        self.texts = [[], [], []]

    def write(self, table, text, start):
        size = len(self.contents[0])
        for position in range(start, len(text)):
            self.contents[table.block_ids[position // size]][position % size] = text[position]

    def read(self, table):
        slots = [slot for block in table.block_ids for slot in self.contents[block]]
        return slots[: table.seq_pos]


@settings(max_examples=300)
@given(num_blocks=st.integers(1, 8), block_size=st.integers(1, 4), history=histories())
def test_every_table_always_reads_its_own_text(num_blocks, block_size, history):
    pool = BlockPool(num_blocks, block_size)
    tables = [BlockTable(pool) for _ in range(3)]
    model = Model(num_blocks, block_size)
    for action, who, argument in history:
        table, text = tables[who], model.texts[who]
        if action == "grow":
            expected = table.blocks_needed(len(argument))
            free = pool.num_free
            try:
                copies = table.reserve(len(argument))
            except OutOfBlocksError:
                assert expected > free
                continue
            assert pool.num_free == free - expected
            for source, target in copies:
                model.contents[target] = list(model.contents[source])
            model.write(table, text + argument, len(text))
            table.advance(len(argument))
            text += argument
            table.publish(hashes_of(text, block_size))
        elif action == "begin":
            table.reset()
            found = known_beginning(pool, hashes_of(argument, block_size), len(argument))
            table.adopt(*found)
            text[:] = argument[: table.seq_pos]
        else:
            length = min(argument or 0, len(text))
            table.truncate(length)
            del text[length:]
        for other, its_text in zip(tables, model.texts, strict=True):
            assert model.read(other) == its_text
            assert len(other.block_ids) == -(-len(its_text) // block_size)
        uses = [block for other in tables for block in other.block_ids]
        assert pool.ref_counts == [uses.count(block) for block in range(num_blocks)]
        assert sorted(pool.free + list(set(uses))) == list(range(num_blocks))
