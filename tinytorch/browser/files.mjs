// The weights from files that the reader chose: pages that are opened from a file may not fetch.

import { EngineError } from "./errors.mjs";
import { meter } from "./progress.mjs";
import { sha256 } from "./sha256.mjs";
import { placed } from "./weights.mjs";

/** @import { Manifest, WeightsAt } from "./weights.mjs" */
/** @import { Progress } from "./progress.mjs" */

/**
 * Fill the engine's memory from the whole file or from its pieces, whatever their names and order.
 * Files that are neither are passed over, so that a whole folder can be chosen.
 * @param {object} from
 * @param {Manifest} from.manifest
 * @param {Blob[]} from.files
 * @param {WeightsAt} from.weightsAt
 * @param {(progress: Progress) => void} from.onProgress
 * @returns {Promise<boolean>} Whether this browser keeps them: no, the reader's disk does.
 */
export async function readFiles({ manifest, files, weightsAt, onProgress }) {
  const progress = meter(manifest.size, onProgress);
  const missing = new Map(placed(manifest).map((piece) => [piece.sha256, piece]));
  const sizes = new Set(manifest.pieces.map(({ size }) => size));
  const whole = files.find(({ size }) => size === manifest.size);
  const parts = whole
    ? [...missing.values()].map(({ offset, size }) => whole.slice(offset, offset + size))
    : files.filter(({ size }) => sizes.has(size));
  for (const part of parts) {
    const bytes = new Uint8Array(await part.arrayBuffer());
    const found = await sha256(bytes);
    const piece = missing.get(found);
    if (!piece) continue;
    weightsAt(piece.offset, piece.size).set(bytes);
    missing.delete(found);
    progress.add(piece.size);
  }
  if (missing.size) throw refusal(manifest, [...missing.values()]);
  return false;
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
