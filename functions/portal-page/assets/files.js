// Saves what the page creates as files.

/** Milliseconds after which every browser has saved the file. */
const SAVE_TIMEOUT = 60_000;

/**
 * Saves a file.
 * @param {string} name
 * @param {string} type The content type without the charset, which is UTF-8.
 * @param {string[]} parts The content.
 */
export function saveFile(name, type, parts) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(parts, { type: `${type};charset=utf-8` }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), SAVE_TIMEOUT);
}
