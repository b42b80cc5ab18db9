// How the search ranks: a page that teaches a word before a page that only defines or lists it.
var Scorer = {
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
  /** @type {(result: [name: string, title: string, anchor: string, about: string, score: number]) => number} */
  score: ([docname, , , , score]) =>
    /(glossary|api|bibliography|execution)$/.test(docname) ? score / 2 : score,
};
