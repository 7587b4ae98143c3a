// CSV files: lists that the API exports, and tables that the page creates.
import { call, SessionEnded } from "./api.js";
import { notify } from "./dom.js";
import { loadErrorMessage } from "./forms.js";

/** Milliseconds after which every browser has saved the file. */
const SAVE_TIMEOUT = 60_000;

/** Characters that a spreadsheet treats as the start of a formula (OWASP, CSV Injection). */
const FORMULA_START = /^[=+\-@\t\r]/;

/**
 * Saves a table as `<name>-<today>.csv`. With the byte order mark, spreadsheets read it as UTF-8.
 * @param {string} name
 * @param {string} table
 */
export function save(name, table) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(["\uFEFF", table], { type: "text/csv;charset=utf-8" }));
  link.download = `${name}-${new Date().toISOString().slice(0, 10)}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), SAVE_TIMEOUT);
}

/**
 * Saves the whole list at `path` as a file, when `button` was clicked.
 * @param {HTMLElement} button
 * @param {string} name
 * @param {string} path
 */
export async function exportList(button, name, path) {
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  try {
    save(name, await wholeTable(path));
    notify("export.done");
  } catch (error) {
    if (!(error instanceof SessionEnded)) notify(...loadErrorMessage(error));
  } finally {
    button.removeAttribute("aria-disabled");
  }
}

/**
 * Loads all pages of a list as one table.
 * @param {string} path
 */
async function wholeTable(path) {
  let whole = "";
  /** @type {string | undefined} */
  let next = path;
  while (next) {
    /** @type {import("./api.js").CsvPage} */
    const page = await call("GET", next, { headers: { accept: "text/csv" } });
    whole += whole ? page.table.slice(page.table.indexOf("\n") + 1) : page.table;
    next = page.next;
  }
  return whole;
}

/**
 * Formats rows of cells as a table (RFC 4180).
 * @param {string[][]} rows
 */
export const toTable = (rows) => rows.map((cells) => `${cells.map(toCell).join(",")}\r\n`).join("");

/** @param {string} value */
function toCell(value) {
  const safe = FORMULA_START.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
