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


def test_its_pictures_are_there_light_and_dark_and_not_heavy():
    text = README.read_text(encoding="utf-8")
    pictures = re.findall(r'(?:srcset|src)="([^"]+)"', text)
    assert len(pictures) >= 4
    for picture in pictures:
        file = README.parent / picture
        assert 10_000 < file.stat().st_size <= 150_000
        assert file.with_name(re.sub("dark|light", "dark", file.name)).exists()
        assert file.with_name(re.sub("dark|light", "light", file.name)).exists()
    assert text.count("alt=") == text.count("<picture>") == len(pictures) // 2
