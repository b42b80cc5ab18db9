"""What the README tells a stranger to run."""

import re
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"


def test_the_ten_lines_print_the_same_answer_twice(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len([line for line in code.splitlines() if line]) <= 10
    exec(compile(code, str(README), "exec"), {})
    counts = re.findall(
        r"([\d,]+) multiply-adds, cache: (?:False|True)\n(.*?)(?=\n\d|\n$)",
        capsys.readouterr().out,
        re.DOTALL,
    )
    (without, plain), (with_cache, cached) = counts
    assert plain == cached
    assert len(plain) > 50
    assert int(without.replace(",", "")) > 10 * int(with_cache.replace(",", ""))


def test_the_licence_of_what_is_fetched_is_named():
    _, _, licences = README.read_text(encoding="utf-8").partition("## Licences")
    assert "SmolLM2-135M-Instruct by Hugging Face, Apache License" in licences
    assert "MIT" in licences
    assert "CC BY 4.0" in licences
