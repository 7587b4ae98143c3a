// CSV files for spreadsheets: lists that the page exports, and tables that it creates.
import { call, SessionEnded } from "./api.js";
import { notify, whileBusy } from "./dom.js";
import { saveFile } from "./files.js";
import { loadErrorMessage } from "./forms.js";
import { dayOf, text } from "./language.js";

/**
 * @typedef {Record<string, string>} Line The cells of a line of the API's table, by the names of their columns.
 * @typedef {[heading: string, cell: (line: Line) => string]} Column The key of the heading's text, and the cell for a line.
 */

/**
 * The places at which a cell may begin: the beginning of a text, and after each separator in it, because a spreadsheet may split
 * lines at another separator. Blanks and quotes may be between.
 */
const CELL_START = String.raw`(?<=(?:^|[,;|\t\n\v\f\r\u0085\u2028\u2029])[\s\p{Cc}\p{DI}\p{NChar}\u2800\uFFF9-\uFFFC\u{1D159}"']*)`;

/** Characters that start a formula there (OWASP, CSV Injection), also in their full-width form. */
const FORMULA_START = String.raw`(?=[=+\-@\t＝＋－＠]|\r(?!\n))`;

/** The places of the apostrophes before formulas, and these apostrophes. The API writes them by the same rule. */
const UNESCAPED = new RegExp(`${CELL_START}${FORMULA_START}`, "gu");
const ESCAPES = new RegExp(`${CELL_START}'${FORMULA_START}`, "gu");

/**
 * Saves a table as `<name>-<today>.csv`. With the byte order mark, spreadsheets read it as UTF-8.
 * @param {string} name
 * @param {string} table
 */
export function save(name, table) {
  saveFile(`${name}-${dayOf(new Date())}.csv`, "text/csv", ["\uFEFF", table]);
}

/**
 * Saves the whole list at `path` as a file, when `button` was clicked.
 * @param {HTMLElement} button
 * @param {string} name
 * @param {string} path
 * @param {Column[]} columns
 */
export const exportList = (button, name, path, columns) => whileBusy(button, async () => {
  try {
    const lines = await allLines(path);
    save(name, toTable([columns.map(([heading]) => text(heading)), ...lines.map((line) => columns.map(([, cell]) => cell(line)))]));
    notify("export.done");
  } catch (error) {
    if (!(error instanceof SessionEnded)) notify(...loadErrorMessage(error));
  }
});

/**
 * Loads all pages of a list.
 * @param {string} path
 */
async function allLines(path) {
  /** @type {Line[]} */
  const lines = [];
  /** @type {string | undefined} */
  let next = path;
  while (next) {
    /** @type {import("./api.js").CsvPage} */
    const page = await call("GET", next, { headers: { accept: "text/csv" } });
    const [names, ...rows] = fromTable(page.table);
    lines.push(...rows.map((cells) => Object.fromEntries(cells.map((cell, index) => [names[index], cell]))));
    next = page.next;
  }
  return lines;
}

/**
 * Reads the cells of the API's table (RFC 4180).
 * @param {string} table
 */
export function fromTable(table) {
  /** @type {string[][]} */
  const rows = [];
  /** @type {string[]} */
  let cells = [];
  for (const [, quoted, plain, end] of table.matchAll(/(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n)/g)) {
    cells.push((quoted?.replaceAll('""', '"') ?? plain).replace(ESCAPES, ""));
    if (end === ",") continue;
    rows.push(cells);
    cells = [];
  }
  return rows;
}

/**
 * Formats rows of cells as a table (RFC 4180), with the separator that spreadsheets expect in this language.
 * @param {string[][]} rows
 */
export const toTable = (rows) => rows.map((cells) => `${cells.map(toCell).join(text("export.separator"))}\r\n`).join("");

/** @param {string} value */
function toCell(value) {
  const safe = value.replace(UNESCAPED, "'");
  return /[,;|\t\r\n"]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
