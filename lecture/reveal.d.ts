// What deck.js uses of reveal.js, whose own types need its sources.

declare const Reveal: {
  initialize(options: Record<string, unknown>): Promise<unknown>;
  next(): void;
  prev(): void;
};

declare const RevealNotes: unknown;
