"""Each verb of the drivers means the same in every browser, on a page made for it."""

import re

import pytest

from tests.browser.drivers import expect

URL = "http://figure.invalid/"
HTML = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Verbs</title>
<style>
  body { margin: 0; font: 16px sans-serif; }
  #far { margin-top: 3000px; }
  #grows { width: 100px; height: 40px; background: #ccc; }
  #grows:hover { width: 300px; }
  @media (prefers-reduced-motion: reduce) { body { --calm: yes; } }
  @media (prefers-color-scheme: dark) { body { --dark: yes; } }
</style>
<button id="plain">Count</button> <button disabled>Cannot</button>
<label>Name <input id="name" value="old"></label>
<label>Size <input id="size" type="range" min="0" max="10" value="5"></label>
<label>Years <input id="years" type="number" value="60"></label>
<label><input type="checkbox"> agree</label>
<label>Fruit
  <select><option value="a">Apple</option><option value="p">Pear</option></select></label>
<ul><li>one</li><li>two <b>bold</b></li><li>three</li></ul>
<p hidden>hidden</p>
<div id="grows"></div>
<p role="status" aria-label="Log"></p>
<input type="file" aria-label="File">
<button id="far">Far</button>
<script>
  const log = (text) => { document.querySelector("[role=status]").textContent += text + " "; };
  for (const name of ["keydown", "input", "change", "click"]) {
    addEventListener(name, (event) =>
      log(`${name}:${event.target.id || event.target.tagName}:${event.key ?? ""}`));
  }
  const later = () => document.querySelector("ul").insertAdjacentHTML("beforeend", "<li>late</li>");
  addEventListener("dblclick", () => setTimeout(later, 300));
</script>"""

pytestmark = pytest.mark.everywhere


def answer(route):
    route.fulfill(body=HTML, content_type="text/html; charset=utf-8")


@pytest.fixture
def page(browser):
    page = browser.new_page()
    page.route(f"{URL}**", answer)
    page.goto(URL)
    yield page
    page.close()


def said(page) -> str:
    return page.get_by_role("status").inner_text()


def test_elements_are_found_by_what_a_reader_sees(page):
    assert page.get_by_role("button").count() == 4, "a field for files is one"
    assert page.get_by_role("button", name="count").get_attribute("id") == "plain"
    assert page.get_by_role("button", name="coun", exact=True).count() == 0
    assert page.get_by_label("Name").input_value() == "old"
    assert page.get_by_label(re.compile("^Fr")).input_value() == "a"
    assert page.get_by_text("two").inner_text() == "two bold"
    items = page.locator("li")
    assert items.all_inner_texts() == ["one", "two bold", "three"]
    assert items.all_text_contents() == items.evaluate_all("(all) => all.map((e) => e.textContent)")
    assert [items.first.inner_text(), items.last.inner_text()] == ["one", "three"]
    assert items.nth(1).locator("b").inner_html() == "bold"
    assert items.filter(has_text="thr").text_content() == "three"
    assert page.locator("li", has=page.locator("b")).inner_text() == "two bold"
    assert [item.inner_text() for item in items.all()][2] == "three"
    assert not page.locator("p[hidden]").is_visible()
    assert page.locator("button:visible").count() == 3


def test_two_elements_are_not_one(page):
    with pytest.raises(Exception, match=r"(?s)3 elements"):
        page.locator("li").inner_text()


def test_keys_and_pointer_do_what_a_reader_does(page):
    page.get_by_role("button", name="Count").click()
    expect(page.get_by_role("status")).to_have_text("click:plain:")
    page.keyboard.press("Tab")
    assert "keydown:plain:Tab" in said(page)
    expect(page.get_by_label("Name")).to_be_focused()
    page.get_by_label("Size").press("ArrowRight")
    expect(page.get_by_label("Size")).to_have_value("6")
    assert "input:size:" in said(page)
    page.get_by_label("Size").press("Home")
    expect(page.get_by_label("Size")).to_have_value("0")


def test_text_is_typed_filled_and_replaced(page):
    field = page.get_by_label("Name")
    field.fill("new")
    assert field.input_value() == "new"
    assert "input:name:" in said(page)
    page.keyboard.press("End")
    page.keyboard.type("er, 3+4")
    expect(field).to_have_value("newer, 3+4")
    page.keyboard.press("Control+A")
    page.keyboard.type("x")
    expect(field).to_have_value("x")
    field.press("Enter")
    assert "change:name:" in said(page)
    field.fill("")
    expect(field).to_have_value("")
    page.get_by_label("Years").fill("8")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Years")).to_have_value("8")
    assert "change:years:" in said(page)
    page.get_by_label("Size").fill("3")
    expect(page.get_by_label("Size")).to_have_value("3")


def test_boxes_are_checked_and_options_chosen(page):
    box = page.get_by_label("agree")
    box.check()
    expect(box).to_be_checked()
    box.check()
    box.uncheck()
    assert not box.is_checked()
    page.get_by_label("Fruit").select_option("Pear")
    expect(page.get_by_label("Fruit")).to_have_value("p")
    page.get_by_label("Fruit").select_option("a")
    expect(page.get_by_label("Fruit")).to_have_value("a")
    assert said(page).count("change:SELECT:") == 2


def test_a_pointer_scrolls_hovers_and_hits_a_place(page):
    grows = page.locator("#grows")
    assert grows.bounding_box()["width"] == 100
    grows.hover()
    assert grows.bounding_box()["width"] == 300
    page.mouse.move(0, 0)
    assert grows.bounding_box()["width"] == 100
    page.evaluate(
        "addEventListener('click', ({ pageX, pageY }) => { window.at = [pageX, pageY]; })"
    )
    box = grows.bounding_box()
    grows.click(position={"x": 20, "y": 10})
    assert page.evaluate("at") == pytest.approx([box["x"] + 20, box["y"] + 10], abs=1)
    page.locator("#far").click()
    assert "click:far:" in said(page)
    assert page.evaluate("scrollY") > 1000


def test_what_comes_later_is_waited_for(page):
    late = page.get_by_text("late")
    assert late.count() == 0
    page.locator("body").dispatch_event("dblclick")
    expect(late).to_be_visible()
    expect(page.locator("li")).to_have_count(4)
    expect(page.locator("#none")).to_be_hidden()
    with pytest.raises(AssertionError):
        expect(page.locator("#none")).to_be_visible(timeout=200)
    with pytest.raises(AssertionError):
        expect(late).not_to_contain_text("lat", timeout=200)
    with pytest.raises(AssertionError):
        expect(late).to_have_text("lat", timeout=200)
    expect(late).not_to_have_text(re.compile("^lat$"))
    expect(page.get_by_role("status")).to_have_accessible_name("Log")
    expect(page.locator("#plain")).to_have_attribute("id", re.compile("^pl"))


def test_scripts_take_and_give_values(page):
    assert page.evaluate("(given) => [given.a, null, 1.5, 'ä']", {"a": [1]}) == [
        [1],
        None,
        1.5,
        "ä",
    ]
    assert page.evaluate("async () => { await null; return 7; }") == 7
    assert page.evaluate("Promise.all([1, 2])") == [1, 2]
    assert page.evaluate("() => undefined") is None
    assert page.locator("#name").evaluate("(element, add) => element.id + add", "!") == "name!"
    page.evaluate("setTimeout(() => { window.ready = true; }, 100)")
    page.wait_for_function("window.ready")
    with pytest.raises(Exception, match="no such thing"):
        page.evaluate("() => { throw new Error('no such thing'); }")


def test_files_are_chosen_anew(page, tmp_path):
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(name)
        page.get_by_label("File").set_input_files(tmp_path / name)
        names = page.get_by_label("File").evaluate("(e) => [...e.files].map(({ name }) => name)")
        assert names == [name]


def test_requests_are_told_and_answered(page):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.route(re.compile(r"other\.json$"), lambda route: route.fulfill(status=201, body="[3]"))
    got = "async () => { const a = await fetch('other.json'); return [a.status, await a.json()]; }"
    assert page.evaluate(got) == [201, [3]]
    assert f"{URL}other.json" in asked
    page.unroute(re.compile(r"other\.json$"))
    page.route(re.compile("lost"), lambda route: route.abort())
    assert page.evaluate("fetch('lost').then(() => 'came', () => 'lost')") == "lost"


def test_errors_and_warnings_are_told(page):
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda said: problems.append(f"{said.type}: {said.text}"))
    page.evaluate("() => { setTimeout(() => { throw new Error('broken'); }); }")
    page.evaluate("console.error('an error')")
    page.evaluate("console.warn('a warning')")
    page.wait_for_timeout(300)  # they come by another way than answers
    told = " | ".join(problems)
    assert "broken" in told
    assert "error: an error" in told
    assert "warning: a warning" in told


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("motion", ["reduce", "no-preference"])
def test_a_reader_has_a_window_colours_and_motion(browser, scheme, motion):
    size = {"width": 390, "height": 780}
    context = browser.new_context(viewport=size, color_scheme=scheme, reduced_motion=motion)
    page = context.new_page()
    page.route(f"{URL}**", answer)
    page.goto(URL)
    assert page.evaluate("[innerWidth, innerHeight]") == [390, 780]
    style = "(name) => getComputedStyle(document.body).getPropertyValue(name)"
    assert page.evaluate(style, "--dark") == ("yes" if scheme == "dark" else "")
    assert page.evaluate(style, "--calm") == ("yes" if motion == "reduce" else "")
    page.set_viewport_size({"width": 1280, "height": 900})
    assert page.evaluate("[innerWidth, innerHeight]") == [1280, 900]
    context.close()


def test_a_new_reader_has_nothing_stored(browser):
    for _ in range(2):
        page = browser.new_page()
        page.route(f"{URL}**", answer)
        page.goto(URL)
        assert page.evaluate("localStorage.getItem('seen')") is None
        page.evaluate("localStorage.setItem('seen', 'yes')")
        page.reload()
        assert page.evaluate("localStorage.getItem('seen')") == "yes"
        page.close()
