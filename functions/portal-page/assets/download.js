// Files for people to keep: the API's tables, and what is made here.
import { call, Over } from "./api.js";
import { notify } from "./dom.js";
import { aboutLoading } from "./forms.js";

/** Milliseconds after which a browser surely has the file. */
const TAKEN = 60_000;

/** What a spreadsheet would take for the beginning of a formula (OWASP, CSV Injection). */
const RUN_BY_SPREADSHEETS = /^[=+\-@\t\r]/;

/** Has the browser save a table as `<name>-<today>.csv`; the mark in front tells spreadsheets that it is UTF-8. */
export function save(name, table) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(["\uFEFF", table], { type: "text/csv;charset=utf-8" }));
  link.download = `${name}-${new Date().toISOString().slice(0, 10)}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), TAKEN);
}

/** Saves all of the list behind a path, once its button was pressed. */
export async function exportList(button, name, path) {
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  try {
    save(name, await wholeTable(path));
    notify("export.done");
  } catch (error) {
    if (error instanceof Over) return;
    const [key, options] = aboutLoading(error);
    notify(key, options?.values);
  } finally {
    button.removeAttribute("aria-disabled");
  }
}

/** All of a list as one table, whatever number of pages it comes in. */
async function wholeTable(path) {
  let whole = "";
  for (let next = path; next;) {
    const page = await call("GET", next, { headers: { accept: "text/csv" } });
    whole += whole ? page.table.slice(page.table.indexOf("\n") + 1) : page.table;
    next = page.next;
  }
  return whole;
}

/** Lines of cells as a table (RFC 4180). */
export const toTable = (lines) => lines.map((cells) => `${cells.map(toCell).join(",")}\r\n`).join("");

function toCell(value) {
  const safe = RUN_BY_SPREADSHEETS.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
