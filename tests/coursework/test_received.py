"""A file as it was handed in: read with bounds, checked as plain data, made ready to grade."""

import json
import os
from copy import deepcopy

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coursework.course import student_notebook
from coursework.own_notebook import grade_id
from coursework.received import (
    MOST_BYTES,
    MOST_CELLS,
    RefusedError,
    checked_notebook,
    parse,
    read_bytes,
    receive,
)
from tests.coursework.submissions import cell_of, solved

EMPTY = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}
CODE = {"cell_type": "code", "metadata": {}, "source": "x = 1", "outputs": []}


def data_of(**changes) -> bytes:
    return json.dumps(EMPTY | changes).encode()


def with_cell(**changes) -> bytes:
    return data_of(cells=[CODE, CODE | changes])


def written(notebook) -> bytes:
    return nbformat.writes(notebook).encode()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "the file is empty"),
        (b" \n", "the file is empty"),
        (b"this is no notebook", r"not JSON \(line 1\)"),
        (b"\xff\xfe\x00", "no text in UTF-8"),
        (b"PK\x03\x04\x00\x00", "not JSON"),
        (b"[" * 50_000 + b"]" * 50_000, "nested deeper than 50"),
        (data_of(metadata={"a": json.loads("[" * 60 + "]" * 60)}), "nested deeper than 50"),
        (b"[" + b"0," * 2_000_001 + b"0]", "more than 2,000,000 values"),
        (b"9" * 5_000, "not JSON"),
        (b"[]", "the notebook is a list: expected an object"),
        (b"null", "the notebook is missing: expected an object"),
        (data_of(nbformat=99), "nbformat is 99: expected 4"),
        (data_of(nbformat=3), "nbformat is 3: expected 4"),
        (data_of(nbformat="4"), 'nbformat is "4": expected 4'),
        (data_of(nbformat=[]), "nbformat is a list: expected 4"),
        (b"{}", "nbformat is missing: expected 4"),
        (data_of(metadata=[]), "metadata is a list: expected an object"),
        (data_of(cells={}), "`cells` is an object: expected a list"),
        (data_of(cells=None), "`cells` is missing: expected a list"),
        (data_of(cells=["x"]), 'cell 1 is "x": expected an object'),
        (data_of(cells=[CODE] * (MOST_CELLS + 1)), "1,001 cells: expected at most 1,000"),
        (with_cell(source="x" * 500_001), "500,006 characters: expected at most 500,000"),
        (with_cell(outputs=[{}] * 10_001), "10,001 outputs"),
        (with_cell(outputs={}), "cell 2: `outputs` is an object"),
        (with_cell(cell_type="shell"), 'cell 2: its cell_type is "shell"'),
        (with_cell(cell_type=["code"]), "cell 2: its cell_type is a list"),
        (with_cell(id=["x"]), "cell 2: its id is a list: expected text"),
        (with_cell(id=7), "cell 2: its id is 7: expected text"),
        (with_cell(source=3), "cell 2: its source is 3: expected text"),
        (with_cell(source=["x", 3]), "cell 2: its source is a list: expected text"),
        (with_cell(source="\ud800"), "half a character"),
        (with_cell(metadata="x"), 'cell 2: its metadata is "x"'),
        (with_cell(metadata={"nbgrader": []}), "cell 2: its nbgrader metadata is a list"),
        (
            with_cell(metadata={"nbgrader": {"grade_id": ["a"]}}),
            "grade_id is a list: expected text",
        ),
        (with_cell(metadata={"nbgrader": {"grade_id": {"a": 1}}}), "grade_id is an object"),
    ],
)
def test_what_is_no_notebook_is_refused_with_a_sentence(data, said):
    with pytest.raises(RefusedError, match=said) as refused:
        receive(data)
    assert str(refused.value).isprintable()


def test_a_file_is_read_up_to_a_size_and_no_further(tmp_path):
    file = tmp_path / "module15.ipynb"
    with file.open("wb") as stream:
        stream.truncate(MOST_BYTES)
    assert len(read_bytes(file)) == MOST_BYTES
    with file.open("wb") as stream:
        stream.truncate(300_000_000)
    with pytest.raises(RefusedError, match="more than 10 MB: clear the outputs"):
        read_bytes(file)


@pytest.mark.parametrize("target", ["/dev/zero", "/etc/hostname", "missing"])
def test_no_link_is_read(tmp_path, target):
    file = tmp_path / "module15.ipynb"
    file.symlink_to(target)
    with pytest.raises(RefusedError, match="cannot be opened"):
        read_bytes(file)


def test_a_pipe_a_folder_and_nothing_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    reasons = {"pipe": "no ordinary file", ".": "no ordinary file", "missing": "cannot be opened"}
    for name, said in reasons.items():
        with pytest.raises(RefusedError, match=said):
            read_bytes(tmp_path / name)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "nbformat",
                        "cells",
                        "metadata",
                        "cell_type",
                        "source",
                        "nbgrader",
                        "grade_id",
                        "id",
                        "outputs",
                        "attachments",
                    ]
                ),
                inner | st.sampled_from([4, "code", "markdown", "kv_cache"]),
                max_size=4,
            )
        ),
        max_leaves=12,
    ),
    st.booleans(),
)
def test_any_json_is_refused_or_becomes_a_valid_notebook(values, as_cell):
    if as_cell:
        values = EMPTY | {"cells": [CODE | values if isinstance(values, dict) else values]}
    try:
        ready = receive(json.dumps(values).encode()).notebook
    except RefusedError:
        return
    nbformat.validate(ready)


def test_a_notebook_keeps_what_the_student_wrote():
    notebook = solved()
    received = receive(written(notebook))
    assert received.missing_cells == ()
    released = [grade_id(cell) for cell in student_notebook().cells if grade_id(cell)]
    assert [grade_id(c) for c in received.notebook.cells if grade_id(c)] == released
    for name in ("kv_cache", "written_why", "analyses"):
        assert cell_of(received.notebook, name).source == cell_of(notebook, name).source
    nbformat.validate(received.notebook)


def test_a_byte_order_mark_before_the_notebook_does_no_harm():
    values = parse(b"\xef\xbb\xbf" + written(solved()))
    assert values == parse(written(solved()))


def test_what_is_locked_and_worth_points_comes_from_the_release():
    notebook = solved()
    for cell in notebook.cells:
        if grade_id(cell):
            cell.metadata.nbgrader.update(points=1000, locked=False, schema_version=99, task=True)
    cell_of(notebook, "test_padding").source = "assert True"
    received = receive(written(notebook)).notebook
    for name in ("test_padding", "written_why", "kv_cache", "cache_helpers"):
        released = cell_of(student_notebook(), name)
        assert cell_of(received, name).metadata == released.metadata
    assert cell_of(received, "test_padding") == cell_of(student_notebook(), "test_padding")


@pytest.mark.parametrize(
    "gone",
    [
        ["cache_helpers"],
        ["test_cache_allocate"],
        ["cache_helpers", "test_cache_allocate"],
        ["test_enable_prefill"],
        ["test_same_text"],
        ["setup"],
        ["test_speedup", "written_why"],
    ],
)
def test_deleted_tests_and_helpers_are_put_back_in_their_places(gone):
    notebook = solved()
    notebook.cells = [cell for cell in notebook.cells if grade_id(cell) not in gone]
    received = receive(written(notebook))
    assert list(received.missing_cells) == gone
    released = [grade_id(cell) for cell in student_notebook().cells if grade_id(cell)]
    back = [name for name in released if name not in gone or not name.startswith("written")]
    assert [grade_id(c) for c in received.notebook.cells if grade_id(c)] == back


def test_of_a_cell_that_is_there_twice_the_last_counts():
    notebook = solved()
    second = deepcopy(cell_of(notebook, "profile_naive"))
    second.source = "second = 2"
    notebook.cells.append(second)
    received = receive(json.dumps(notebook).encode()).notebook
    assert cell_of(received, "profile_naive").source == "second = 2"


def test_ids_outputs_and_metadata_of_the_file_are_not_taken_over():
    cell = CODE | {
        "id": "same",
        "metadata": {"magics_language": "x", "tags": ["<b>"]},
        "execution_count": "<script>",
        "outputs": [{"output_type": "error"}],
    }
    metadata = {"language_info": {"name": 3}, "widgets": [], "kernelspec": 7}
    notebook = checked_notebook(EMPTY | {"metadata": metadata, "cells": [cell, cell]})
    assert notebook.metadata == {}
    first, second = notebook.cells
    assert first.id != second.id
    assert (first.metadata, first.outputs, first.execution_count) == ({}, [], None)


def test_pictures_in_an_answer_stay_and_other_attachments_go():
    notebook = solved()
    attachments = {
        "a.png": {"image/png": "iVBORw0KGgo="},
        "b.svg": {"image/svg+xml": "<svg onload=alert(1)>"},
        "c": "text",
    }
    cell_of(notebook, "written_why")["attachments"] = attachments
    received = receive(json.dumps(notebook).encode()).notebook
    assert cell_of(received, "written_why").attachments == {"a.png": attachments["a.png"]}
    nbformat.validate(received)


def test_parse_gives_what_json_gives():
    values = {"a": [1, {"b": None}], "c": "ü"}
    assert parse(json.dumps(values).encode()) == values
