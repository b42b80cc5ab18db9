// Pieces of weights that stay in this browser, as files of the origin's private file system (OPFS).
//
// Not in Cache Storage: a file is written while its bytes arrive, so that a download that broke off
// goes on at the byte where it stopped, and it is read straight into the engine's memory.

import { EngineError } from "./errors.mjs";

/** @import { Manifest, Piece } from "./pieces.mjs" */

const FOLDER = "tinytorch-weights";

/** @param {unknown} error */
const isInUse = (error) => /** @type {Error} */ (error).name === "NoModificationAllowedError";

/** The folder of all models; fails where the browser keeps nothing: private windows, http, files. */
async function open(create = false) {
  const root = await navigator.storage.getDirectory();
  return root.getDirectoryHandle(FOLDER, { create });
}

/**
 * Open the file of a piece to read and write it, in a worker; `null` where nothing can be kept.
 * @param {Manifest} manifest
 * @param {Piece} piece
 * @returns {Promise<FileSystemSyncAccessHandle | null>}
 */
export async function openPiece(manifest, piece) {
  try {
    const folder = await (await open(true)).getDirectoryHandle(manifest.sha256, { create: true });
    return await openAlone(await folder.getFileHandle(piece.sha256, { create: true }));
  } catch {
    return null;
  }
}

/**
 * Open a file that a worker which was stopped a moment ago may still have open.
 * @param {FileSystemFileHandle} file
 * @returns {Promise<FileSystemSyncAccessHandle>}
 */
async function openAlone(file, tries = 10) {
  try {
    return await file.createSyncAccessHandle();
  } catch (error) {
    if (tries === 0 || !isInUse(error)) throw error;
    await new Promise((resolve) => setTimeout(resolve, 100));
    return openAlone(file, tries - 1);
  }
}

/**
 * Run `use` while no other tab uses the piece: a second tab waits, then reads what the first kept.
 * @template T
 * @param {Piece} piece
 * @param {() => Promise<T>} use
 * @returns {Promise<T>}
 */
export async function alone(piece, use) {
  const { locks } = navigator;
  return locks ? locks.request(`${FOLDER}/${piece.sha256}`, use) : use();
}

/**
 * Whether the whole model is kept in this browser.
 * @param {Manifest} manifest
 * @returns {Promise<boolean>}
 */
export async function isKept(manifest) {
  try {
    const folder = await (await open()).getDirectoryHandle(manifest.sha256);
    const sizes = manifest.pieces.map(async ({ sha256, size }) => {
      const file = await (await folder.getFileHandle(sha256)).getFile();
      return file.size === size;
    });
    return (await Promise.all(sizes)).every(Boolean);
  } catch {
    return false;
  }
}

/**
 * Remove a model from this browser. A model that runs goes on: it has its own copy in memory.
 * @param {Manifest} manifest
 */
export async function removeWeights(manifest) {
  try {
    await (await open()).removeEntry(manifest.sha256, { recursive: true });
  } catch (error) {
    if (!isInUse(error)) return; // nothing is there
    const text = "Another tab is loading the model: stop it there, then remove it.";
    throw new EngineError("busy", text);
  }
}
