// Imports users from a CSV file: checks the file at once, adds the users on request, and shows their passwords once.
import { call, Offline, Problem } from "../api.js";
import { entry, find, listen, make, nameOf, on, open } from "../dom.js";
import { save, toTable } from "../download.js";
import { clearMessages, closed, onSubmit, partErrorKey, showError, showMessage } from "../forms.js";
import { hasText, setText, text } from "../language.js";

/** @import { FieldError, ImportPreview, ImportProblem, ImportResult } from "../../types/api.js" */

/** The API's limit. */
const MAX_BYTES = 1_000_000;

const EXAMPLE = [
  ["first_name", "last_name", "email", "role", "permissions"],
  ["Ann", "Lee", "ann.lee@example.com", "manager", ""],
  ["Zoé", "Dubois", "zoe.dubois@example.com", "viewer", "users.read audit.read"],
];

/**
 * An existing user stays unchanged and does not prevent the import of the others.
 * @param {ImportProblem} problem
 */
const isWarning = (problem) => problem.code === "email_taken";

/** Resolves to whether users may have been added. */
export function importUsers() {
  const dialog = make("import-dialog");
  const form = find("form", dialog);
  const button = find("button:not([type])", form);
  const input = form.elements.file;
  let table = "";
  let key = "";
  let selections = 0;
  let isSent = false;
  // While users are added, and until the passwords are saved or given up, only the dialog's own button closes it.
  let isLocked = false;

  /**
   * @param {boolean} isDryRun
   * @param {string} body
   * @param {Record<string, string>} [headers]
   */
  const send = (isDryRun, body, headers) =>
    call("POST", `/v1/users/import?dry_run=${isDryRun}`, { body, headers: { "content-type": "text/csv", ...headers } });

  // A repeated request with the same key returns new passwords for the users that the first one added, so a lost response
  // loses no password.
  const add = () => send(false, table, { "idempotency-key": key });
  /** @param {Error} error */
  const retry = (error) => {
    if (error instanceof Offline) return add();
    throw error;
  };

  /** @param {number} total */
  const setReady = (total) => {
    button.hidden = button.disabled = total === 0;
    setText(button, "import.do", { total });
  };

  listen(input, "change", async () => {
    const selection = ++selections;
    const file = input.files[0];
    clearMessages(form);
    setReady(0);
    find("[data-checked]", dialog).hidden = true;
    find("[data-file]", dialog).textContent = find("[data-summary]", dialog).textContent = "";
    if (!file) return;
    if (file.size > MAX_BYTES) {
      showMessage(form, "import.too_large");
      return;
    }
    try {
      const content = decode(await file.arrayBuffer());
      const preview = await send(true, content);
      if (selection !== selections) return;
      table = content;
      key = crypto.randomUUID();
      setText(find("[data-file]", dialog), "import.of", { file: file.name });
      showPreview(preview);
    } catch (error) {
      if (selection !== selections || !dialog.isConnected) return;
      showRejection(error);
    }
    // Allow the user to select the same file again after correcting it.
    input.value = "";
  });

  /** @param {Error} error */
  function showRejection(error) {
    const problems = error instanceof Problem ? error.errors.map(atLine).filter((problem) => problem !== null) : [];
    if (problems.length > 0) showPreview({ users: [], problems });
    else showError(form, error);
  }

  /** @param {ImportPreview} preview */
  function showPreview({ users, problems }) {
    const isGood = problems.every(isWarning);
    fill("problems", problems, ({ line, field, code }) => [line, columnName(field), problemText(field, code)]);
    fill("users", users, (user) => [user.line, find("div", entry(nameOf(user), user.email)), text(`role.${user.role}`)]);
    setText(find("[data-summary]", dialog), isGood ? "import.good" : "import.bad", { total: (isGood ? users : problems).length });
    find("[data-checked]", dialog).hidden = false;
    setReady(users.length);
  }

  /**
   * @template T
   * @param {string} name
   * @param {T[]} items
   * @param {(item: T) => any[]} cells
   */
  function fill(name, items, cells) {
    const part = find(`[data-${name}]`, dialog);
    part.hidden = items.length === 0;
    find("tbody", part).replaceChildren(...items.map((item) => {
      const row = document.createElement("tr");
      for (const cell of cells(item)) row.insertCell().append(cell);
      return row;
    }));
  }

  /** @param {{ results: ImportResult[] }} answer */
  function showResults({ results }) {
    // A user that an earlier request added may have been removed since.
    const added = results.filter(({ outcome, user }) => outcome === "added" && user);
    const others = results.filter(({ outcome }) => outcome !== "added");
    const page = make("imported");
    setText(find("h2", page), "import.done", { total: added.length });
    find("[data-once]", page).hidden = find('[data-do="download"]', page).hidden = added.length === 0;
    find("[data-others]", page).hidden = others.length === 0;
    find("ul", page).append(...others.map((other) => entry(other.email, text(reasonKey(other)))));
    let isSaved = added.length === 0;
    on(page, "download", () => {
      save("sign-in-details", signInDetails(added));
      isSaved = true;
      clearMessages(dialog);
    });
    on(page, "done", () => {
      if (isSaved) dialog.close();
      else showMessage(dialog, "import.not_saved", { action: { key: "import.leave", do: () => dialog.close() } });
    });
    dialog.replaceChildren(...page.children);
    find("h2", dialog).focus();
  }

  listen(dialog, "cancel", (event) => { if (isLocked) event.preventDefault(); });
  listen(dialog, "keydown", (event) => { if (isLocked && event.key === "Escape") event.preventDefault(); });
  for (const close of dialog.querySelectorAll('[data-do="close"]')) {
    listen(close, "click", () => { if (!isLocked) dialog.close(); });
  }
  on(dialog, "example", () => save("users", toTable(EXAMPLE)));
  onSubmit(form, async () => {
    isSent = isLocked = input.disabled = true;
    showResults(await add().catch(retry));
  }, {
    onError: (error) => {
      isLocked = input.disabled = false;
      showRejection(error);
      return true;
    },
  });
  setReady(0);
  open(dialog);
  input.focus();
  return closed(form).then(() => isSent);
}

/**
 * Decodes a file. Most spreadsheets write UTF-8; some still write Windows-1252.
 * @param {ArrayBuffer} bytes
 */
function decode(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("windows-1252").decode(bytes);
  }
}

/**
 * Splits the field of an API error: "line 3: email".
 * @param {FieldError} error
 */
function atLine({ field, code }) {
  const found = /^line (\d+): (\w+)$/.exec(field);
  return found && { line: Number(found[1]), field: found[2], code };
}

/** @param {string} field */
const columnName = (field) => {
  const key = [`user.${field}`, `import.column.${field}`].find(hasText);
  return key ? text(key) : field;
};

/**
 * @param {string} field
 * @param {string} code
 */
const problemText = (field, code) =>
  text([`import.${field}.${code}`, `import.${code}`, `field.${code}`, `fault.${code}`].find(hasText) ?? "field.invalid");

/**
 * The key of the text that explains why a user was not added.
 * @param {ImportResult} result
 */
function reasonKey({ outcome, problem }) {
  if (outcome === "exists") return "import.email_taken";
  if (outcome === "unavailable") return "import.unavailable";
  return partErrorKey(problem);
}

/**
 * The sign-in details of each user, as a table.
 * @param {any[]} added
 */
function signInDetails(added) {
  const headings = ["user.first_name", "user.last_name", "user.email", "user.role", "user.password", "share.address"];
  return toTable([
    headings.map((key) => text(key)),
    ...added.map(({ user, generated_password: password }) => [
      user.first_name, user.last_name ?? "", user.email, text(`role.${user.role}`), password,
      `${location.origin}/?partner=${encodeURIComponent(user.partner_id)}`,
    ]),
  ]);
}
