// Make what is wider than the paper smaller, and name what would be too small then.
() => {
  const SMALLEST = 0.6;
  const tooWide = [];
  /** @type {NodeListOf<HTMLElement>} */
  const elements = document.querySelectorAll("table, math[display=block], pre, svg, img");
  for (const element of elements) {
    const room = element.parentElement?.clientWidth ?? 0;
    const wide = Math.max(element.getBoundingClientRect().width, element.scrollWidth);
    if (room === 0 || wide <= room + 1) continue;
    if (room / wide < SMALLEST)
      tooWide.push(`${element.textContent.trim().slice(0, 60)}: ${Math.round(wide)} > ${room} px`);
    element.style.zoom = String(Math.max(SMALLEST, room / wide));
  }
  return tooWide;
};
