"""Pages run when they must, and a page that fails stops the build."""

from tests.book.conftest import SmallBook, require_executed_notebook


def test_pages_run_again_only_when_they_or_the_package_changed(small_book: SmallBook):
    assert small_book.build().returncode == 0
    assert small_book.executed() == ["first", "second"]

    assert small_book.build().returncode == 0
    assert small_book.executed() == []

    page = small_book.folder / "book/second.md"
    page.write_text(page.read_text() + "\nMore prose, and the same code.\n")
    assert small_book.build().returncode == 0
    assert small_book.executed() == []
    assert "More prose" in small_book.html("second")
    require_executed_notebook(small_book)

    small_book.write("second", "print('changed')")
    assert small_book.build().returncode == 0
    assert small_book.executed() == ["second"]
    assert "changed" in small_book.html("second")

    (small_book.folder / "tinytorch/module.py").write_text("answer = 43\n")
    assert small_book.build().returncode == 0
    assert small_book.executed() == ["first", "second"]
    assert len(list((small_book.folder / "_build/execution").iterdir())) == 1


def test_a_failing_cell_fails_the_build_and_is_named(small_book: SmallBook):
    small_book.write("second", "1 / 0")
    run = small_book.build()
    assert run.returncode != 0
    output = run.stdout + run.stderr
    assert "book/second" in output
    assert "ZeroDivisionError" in output
    assert "1 / 0" in output


def test_the_site_is_the_same_wherever_the_book_lies(built_book: SmallBook):
    assert str(built_book.folder) not in built_book.html("first").replace(str(built_book.runs), "")
