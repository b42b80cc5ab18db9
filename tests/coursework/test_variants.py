"""Each student's numbers: the same every time, right, and without a touch on what is graded."""

import csv
import os
import re
import subprocess
import sys
from random import Random

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer import Typer
from typer.testing import CliRunner

from coursework import variants
from coursework.course import instructor_notebook, student_notebook
from coursework.own_notebook import grade_id
from coursework.variants import QUESTIONS, VariantError, variants_of, with_variants
from tinytorch.analysis import get_model

words = st.text(st.characters(exclude_categories=["C"]), min_size=1, max_size=10)
SIZE = {"MiB": 2**20, "GiB": 2**30}


def numbers(text):
    return [float(number.replace(",", "")) for number in re.findall(r"\d[\d,]*\.?\d*", text)]


def run(*options):
    app = Typer()
    app.command()(variants.main)
    return CliRunner().invoke(app, [str(option) for option in options])


def test_the_questions_are_those_of_the_assignment():
    notebook = student_notebook()
    released = {name: question.as_released for name, question in QUESTIONS.items()}
    assert with_variants(notebook, released) == notebook


def test_the_released_numbers_have_the_instructors_answer():
    given_answer = next(
        cell.source for cell in instructor_notebook().cells if grade_id(cell) == "written_memory"
    )
    assert "2 GiB" in given_answer
    assert "0.5 GiB" in given_answer
    answer = QUESTIONS["written_memory"].as_released.answer
    assert "= 2 GiB. With 8 heads: 512 MiB, so 4 times" in answer


@given(seed=words, student=words)
def test_the_same_seed_and_student_give_the_same_numbers(seed, student):
    assert variants_of(seed, student) == variants_of(seed, student)


def test_another_process_draws_the_same():
    code = "from coursework.variants import *; print(variants_of('autumn', 'ada'))"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env
        ).stdout.strip()
        for env in (os.environ | {"PYTHONHASHSEED": seed} for seed in "12")
    }
    assert outputs == {str(variants_of("autumn", "ada"))}


@given(seed=words, student=words)
def test_the_answers_are_right(seed, student):
    found = variants_of(seed, student)
    text, answer = found["written_memory"].text, found["written_memory"].answer
    name, layers, heads, width, tokens, fewer = re.search(
        r"holds (.+) \((\d+) layers, (\d+) key/value heads of width (\d+)\) .* of ([\d,]+) tokens "
        r"take, and what would (\d+) key",
        text,
    ).groups()
    layers, heads, width, fewer = int(layers), int(heads), int(width), int(fewer)
    tokens = int(tokens.replace(",", ""))
    model = get_model(name)
    assert (layers, heads, width) == (model.num_layers, model.num_heads, model.head_dim)
    assert tokens <= model.max_context
    assert heads % fewer == 0
    assert fewer < heads
    product, large, large_unit, small, small_unit = re.search(
        r"^([\d x]+) bytes = ([\d.]+) (.iB)\. With \d+ heads: ([\d.]+) (.iB)", answer
    ).groups()
    total = 1
    for factor in product.split(" x "):
        total *= int(factor)
    assert total == 2 * layers * heads * width * tokens * 2
    assert float(large) * SIZE[large_unit] == pytest.approx(total, rel=1e-3)
    assert float(small) * SIZE[small_unit] == pytest.approx(total * fewer / heads, rel=1e-3)


def test_a_batch_reads_the_weights_once():
    text, answer = (
        getattr(QUESTIONS["written_batch"].draw(Random(3)), name) for name in ("text", "answer")
    )
    (count,) = (n for n, word in variants.COUNTS.items() if f" {word} conversations" in text)
    one, many, ratio = re.search(
        r"reads ([\d.]+) GiB .* and ([\d.]+) GiB .*: ([\d.]+) times", answer
    ).groups()
    cache = 2 * 32 * 32 * 128 * 512 * 2 / 2**30
    assert float(many) - float(one) == pytest.approx((count - 1) * cache, abs=0.02)
    assert 1 < float(ratio) < count


def test_students_get_different_numbers():
    texts = {variants_of("autumn", f"s{i}")["written_memory"].text for i in range(100)}
    assert len(texts) > 40
    assert variants_of("autumn", "ada") != variants_of("spring", "ada")


@given(seed=words, student=words)
def test_no_graded_cell_changes(seed, student):
    release = RELEASE
    notebook = with_variants(release, variants_of(seed, student))
    nbformat.validate(notebook)
    assert notebook.metadata == release.metadata
    assert len(notebook.cells) == len(release.cells)
    differing = [
        (new, old) for new, old in zip(notebook.cells, release.cells, strict=True) if new != old
    ]
    assert len(differing) <= len(QUESTIONS)
    for new, old in differing:
        assert not grade_id(old)
        assert {k: v for k, v in new.items() if k != "source"} == {
            k: v for k, v in old.items() if k != "source"
        }


RELEASE = student_notebook()


def test_an_assignment_without_the_question_is_refused():
    notebook = student_notebook()
    for cell in notebook.cells:
        cell.source = cell.source.replace("A server holds", "A shop holds")
    with pytest.raises(VariantError, match="no longer holds the question of written_memory"):
        with_variants(notebook, variants_of("autumn", "ada"))


def test_the_command_writes_notebooks_and_answers(tmp_path):
    listed = tmp_path / "class.csv"
    listed.write_text("student,name\nada,Ada\nbob,=1+1\n")
    result = run(listed, tmp_path / "out", "--seed", "autumn")
    assert result.exit_code == 0, result.output
    with (tmp_path / "out/answers.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["student"], row["question"]) for row in rows] == [
        (student, question) for student in ("ada", "bob") for question in QUESTIONS
    ]
    assert rows[2]["name"] == "'=1+1"
    for row in rows:
        notebook = nbformat.read(
            tmp_path / "out/notebooks" / row["student"] / "module15.ipynb", as_version=4
        )
        assert f"**{row['text']}**" in [cell.source for cell in notebook.cells]
        assert row["answer"] == variants_of("autumn", row["student"])[row["question"]].answer


def test_the_command_refuses_a_broken_list(tmp_path):
    (tmp_path / "class.csv").write_text("id\n1\n")
    result = run(tmp_path / "class.csv", tmp_path / "out", "--seed", "autumn")
    assert result.exit_code == 2
    assert "no column student" in result.output
    assert not (tmp_path / "out").exists()
