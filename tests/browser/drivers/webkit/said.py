"""What a page says in its console, and errors that nobody caught: noted by a script of ours.

WebDriver tells neither. The proxy puts the script in front of those of a page; into a page from a
file it comes when the page is first asked, so that what went wrong before shows only by what is
missing then.
"""

import gzip
import re
from dataclasses import dataclass, field

WATCH = """
if (!window.tinytorchSaid) {
  const said = (window.tinytorchSaid = []);
  addEventListener("error", ({ message }) => said.push(["pageerror", String(message)]));
  addEventListener("unhandledrejection", ({ reason }) => said.push(["pageerror", String(reason)]));
  for (const [name, type] of [["error", "error"], ["warn", "warning"]]) {
    const before = console[name];
    console[name] = (...words) => {
      said.push([type, words.map(String).join(" ")]);
      before.apply(console, words);
    };
  }
}
"""
HEAD = re.compile(rb"<head[^>]*>|<html[^>]*>|<!doctype[^>]*>", re.IGNORECASE)


@dataclass
class Message:
    """What a page said, as Playwright tells it."""

    type: str
    text: str
    location: dict[str, str] = field(default_factory=lambda: {"url": ""})


def watched(html: bytes, is_compressed: bool = False) -> bytes:
    """Return a page with the script in front of its own."""
    plain = gzip.decompress(html) if is_compressed else html
    places = list(HEAD.finditer(plain[:2_000]))
    at = places[-1].end() if places else 0
    return plain[:at] + b"<script>" + WATCH.encode() + b"</script>" + plain[at:]
