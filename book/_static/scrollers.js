// What scrolls inside the page can be reached with the Tab key, so that arrows scroll it. The theme's own
// script for this lays out the whole page, folded code too, whenever anything in it changes.
{
  const SCROLLERS = ".bd-article :is(pre, .cell_output > .output, .pst-scrollable-table-container)";
  const sizes = new ResizeObserver((entries) => {
    const elements = entries.map((entry) => /** @type {HTMLElement} */ (entry.target));
    const scrolls = elements.map(
      (element) =>
        element.scrollWidth > element.clientWidth || element.scrollHeight > element.clientHeight,
    );
    elements.forEach((element, index) => {
      if (scrolls[index]) element.tabIndex = 0;
      else element.removeAttribute("tabindex");
    });
  });
  for (const element of document.querySelectorAll(SCROLLERS)) sizes.observe(element);
}
