// What a manifest says of a model's file; pieces.py writes it.

/**
 * @typedef {{name: string, size: number, sha256: string}} Piece
 * @typedef {{name: string, size: number, sha256: string, licence: string, source: string,
 *   pieces: Piece[]}} Manifest
 * @typedef {Piece & {offset: number, number: number}} Placed
 * @typedef {(offset: number, length: number) => Uint8Array<ArrayBuffer>} WeightsAt
 */

/**
 * The pieces with the places of their first bytes in the whole file.
 * @param {Manifest} manifest
 * @returns {Placed[]}
 */
export function placed(manifest) {
  let end = 0;
  return manifest.pieces.map((piece, i) => {
    end += piece.size;
    return { ...piece, offset: end - piece.size, number: i + 1 };
  });
}
