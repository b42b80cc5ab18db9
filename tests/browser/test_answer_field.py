"""What the answer field says to a typed number."""

import re

import pytest

from tests.browser.drivers import expect
from tests.browser.pages import opened, violations
from tinytorch.widgets.bundle import source

FIELD = {"answer": 384.0, "unit": "MiB", "tolerance": 0.01, "hints": {"0.0833": "One head only."}}


@pytest.fixture(scope="module")
def judge(browser):
    """The functions of answer_field.mjs, in an empty page."""
    page = browser.new_page()
    page.goto("about:blank")
    names = ("language", "common", "answer_field")
    text = "".join(source(f"{name}.mjs") for name in names)
    page.evaluate(
        """async (text) => {
            const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
            window.field = await import(url);
        }""",
        re.sub(r"^import [^;]*;\n", "", text, flags=re.MULTILINE),
    )
    yield lambda typed, data: page.evaluate(
        "([typed, data]) => field.judge(field.parse(typed, data.unit), data)", [typed, data]
    )
    page.close()


@pytest.mark.parametrize(
    ("typed", "right", "said"),
    [
        ("384", True, "Right: 384 MiB."),
        (" 384 MiB", True, "Right"),
        ("385", True, "Right"),
        ("3.84e2", True, "Right"),
        ("768", False, "Twice the answer"),
        ("192", False, "Half the answer: a factor of 2 is missing."),
        ("402.65", False, "units of 1,000 (MB)"),
        ("3,072", False, "bits instead of bytes"),
        ("32", False, "One head only."),
        ("400", False, "Close: 4.17 % too large."),
        ("1", False, "the answer is 384.0× as large"),
        ("38400", False, "Too large: 100.0× the answer."),
        ("-384", False, "other sign"),
        ("", False, "Type a number"),
        ("many", False, "Type a number"),
    ],
)
def test_a_number_is_right_named_or_measured(judge, typed, right, said):
    found = judge(typed, FIELD)
    assert found["right"] is right
    assert said in found["text"]


def test_an_integer_without_tolerance_must_be_exact(judge):
    data = {"answer": 5050.0, "unit": "", "tolerance": 0.0, "hints": {}}
    assert judge("5,050", data)["text"] == "Right: 5,050."
    assert not judge("5,049", data)["right"]


@pytest.mark.parametrize("typed", ["0.6", "60%", "60 %", "3/5", "6.0/10"])
def test_a_share_may_be_a_percentage_or_a_fraction(judge, typed):
    assert judge(typed, {"answer": 0.6, "unit": "", "tolerance": 0.0, "hints": {}})["right"]


def test_a_percentage_is_one_where_percent_are_asked_for(judge):
    assert judge("15 %", {"answer": 15.0, "unit": "%", "tolerance": 0.0, "hints": {}})["right"]


def test_a_known_mistake_within_the_tolerance_is_named(judge):
    data = {"answer": 4286.0, "unit": "", "tolerance": 0.02, "hints": {"1.0126": "No weights."}}
    assert judge("4340", data) == {"right": False, "text": "No weights."}
    assert judge("4,286", data)["right"]
    assert judge("4,300", data)["right"]


@pytest.mark.everywhere
@pytest.mark.parametrize("width", [390, 1280])
def test_a_field_works_with_the_keyboard_and_stores_nothing(browser, site_url, width):
    url, size = f"{site_url}/book/reflect.html", {"width": width, "height": 800}
    stored = "JSON.stringify([localStorage, sessionStorage])"
    asked = "performance.getEntriesByType('resource').map(({ name }) => name)"
    with opened(browser, url, site_url, viewport=size) as (page, problems, _):
        before, requests = page.evaluate(stored), page.evaluate(asked)
        field = page.locator("[data-afm=AnswerField] .tt-w").first
        box = field.locator("input")
        box.focus()
        page.keyboard.type("1")
        page.keyboard.press("Enter")
        expect(field.get_by_role("status")).to_contain_text("the answer is")
        assert box.get_attribute("aria-invalid") == "true"
        page.keyboard.press("Control+A")
        page.keyboard.type("384")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(field.get_by_role("status")).to_contain_text("Right: 384 MiB")
        assert violations(page, "[data-afm=AnswerField]") == []
        assert page.evaluate(stored) == before
        assert page.evaluate(asked) == requests
        assert problems == []
