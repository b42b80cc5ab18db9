// The weights from files that the reader chose: pages that are opened from a file may not fetch.

import { EngineError } from "./errors.mjs";
import { placed } from "./pieces.mjs";
import { meter } from "./progress.mjs";

/** @import { Manifest } from "./pieces.mjs" */
/** @import { Progress } from "./progress.mjs" */

/**
 * Hand over the whole file or its pieces, whatever their names and order. Files that are neither
 * are passed over, so that a whole folder can be chosen. They are read here, in the page: WebKit
 * lets no worker of such a page read them.
 * @param {object} from
 * @param {Manifest} from.manifest
 * @param {Blob[]} from.files
 * @param {(bytes: ArrayBuffer) => Promise<string>} from.take Keeps a piece, and says its sha256.
 * @param {(progress: Progress) => void} from.onProgress
 */
export async function readFiles({ manifest, files, take, onProgress }) {
  const progress = meter(manifest.size, onProgress);
  const missing = new Map(placed(manifest).map((piece) => [piece.sha256, piece]));
  const sizes = new Set(manifest.pieces.map(({ size }) => size));
  const whole = files.find(({ size }) => size === manifest.size);
  const parts = whole
    ? [...missing.values()].map(({ offset, size }) => whole.slice(offset, offset + size))
    : files.filter(({ size }) => sizes.has(size));
  for (const part of parts) {
    const bytes = await part.arrayBuffer().catch(() => null);
    if (!bytes) throw new EngineError("wrong-file", "A chosen file could not be read.");
    const found = await take(bytes);
    if (missing.delete(found)) progress.add(part.size);
  }
  if (missing.size) throw refusal(manifest, [...missing.values()]);
}

/**
 * @param {Manifest} manifest
 * @param {Manifest["pieces"]} missing
 */
function refusal(manifest, missing) {
  const names = missing.map(({ name }) => name);
  const text =
    missing.length === manifest.pieces.length
      ? `This is not ${manifest.name}, nor a piece of it: choose ${names.join(", ")}.`
      : `Still missing, or damaged: ${names.join(", ")}. Choose all pieces at once.`;
  return new EngineError("wrong-file", text);
}
