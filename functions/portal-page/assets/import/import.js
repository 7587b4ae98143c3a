// Imports users from a CSV file: checks the file at once, asks for what the file does not say, adds the users on request, and
// shows their passwords once.
import { assignableRoles } from "../access.js";
import { call, Offline, Problem } from "../api.js";
import { entry, find, guard, keepOpen, listen, make, nameOf, on, open } from "../dom.js";
import { save, toTable } from "../download.js";
import { clearMessages, closed, onSubmit, partErrorKey, showError, showMessage } from "../forms.js";
import { hasText, moment, number, setText, text } from "../language.js";
import { COLUMNS, showDetails } from "./details.js";

/** @import { CharsetReading, FieldError, ImportPreview, ImportProblem, ImportResult, Me } from "../../types/api.js" */

/** The API's limit. */
const MAX_BYTES = 1_000_000;

/**
 * An existing user stays unchanged and does not prevent the import of the others.
 * @param {ImportProblem} problem
 */
const isWarning = (problem) => problem.code === "email_taken";

/** @param {ImportProblem} problem */
const isMissingRole = (problem) => problem.code === "missing_role";

/**
 * Resolves to whether users may have been added.
 * @param {Me} me
 */
export function importUsers(me) {
  const dialog = make("import-dialog");
  const form = find("form", dialog);
  const button = find("button:not([type])", form);
  const { file: input, role } = form.elements;
  const first = find("[data-first]", dialog);
  /** @type {File | undefined} */
  let file;
  let charset = "";
  let key = "";
  let selections = 0;
  /** The number of users to add. */
  let total = 0;
  let isSent = false;
  // While users are added, and until the passwords are saved or given up, only the dialog's own button closes it.
  let isLocked = false;

  /**
   * Sends the bytes of the file, which the server decodes.
   * @param {boolean} isDryRun
   * @param {Record<string, string>} [headers]
   */
  const send = (isDryRun, headers) =>
    call("POST", `/v1/users/import?dry_run=${isDryRun}&invite=${isInvited()}&role_if_missing=${role.value}`, {
      body: file,
      headers: { "content-type": charset ? `text/csv; charset=${charset}` : "text/csv", ...headers },
    });

  /**
   * @param {string} key
   * @param {import("../language.js").Values} values
   */
  const summarize = (key, values) => setText(find("[data-summary]", dialog), key, values);

  const isInvited = () => me.mail && form.elements.first.value === "invite";

  // A repeated request with the same key returns new passwords for the users that the first one added, so a lost response
  // loses no password.
  const add = () => send(false, { "idempotency-key": key });
  /** @param {Error} error */
  const retry = (error) => {
    if (error instanceof Offline) return add();
    throw error;
  };

  /** @param {number} count */
  const setReady = (count) => {
    total = count;
    button.hidden = button.disabled = total === 0;
    setText(button, "import.do", { total });
  };

  listen(input, "change", async () => {
    const chosen = input.files[0];
    charset = role.value = find("[data-name]", dialog).textContent = "";
    find("[data-readings]", dialog).hidden = find("[data-role]", dialog).hidden = true;
    file = undefined;
    clearResult();
    if (!chosen) return;
    if (chosen.size > MAX_BYTES) {
      showMessage(form, "import.too_large");
      return;
    }
    find("[data-name]", dialog).textContent = chosen.name;
    // A copy, because the user can change or remove the file before the users are added.
    file = new File([await chosen.arrayBuffer()], chosen.name);
    await checkFile();
    // Allow the user to select the same file again after correcting it.
    input.value = "";
  });
  listen(role, "change", checkFile);
  // A key stands for one request, and this is a part of it.
  listen(first, "change", () => { key = crypto.randomUUID(); });

  /** Removes the result of the latest check. Returns the number of the next one. */
  function clearResult() {
    clearMessages(form);
    setReady(0);
    find("[data-checked]", dialog).hidden = true;
    for (const name of ["file", "summary", "roles", "ignored"]) find(`[data-${name}]`, dialog).textContent = "";
    return ++selections;
  }

  async function checkFile() {
    const selection = clearResult();
    try {
      const preview = await send(true);
      if (selection !== selections) return;
      key = crypto.randomUUID();
      setText(find("[data-file]", dialog), "import.of", { file: file?.name });
      showPreview(preview);
    } catch (error) {
      if (selection !== selections || !dialog.isConnected) return;
      if (error.code === "undecided_charset") askCharset(error.readings);
      else showRejection(error);
    }
  }

  /**
   * Shows the names in each reading.
   * @param {CharsetReading[]} readings
   */
  function askCharset(readings) {
    find("[data-readings] > div", dialog).replaceChildren(...readings.map((reading) => {
      const label = make("reading");
      find("span > span", label).textContent = reading.texts.join(", ");
      find("small", label).textContent = reading.charset;
      listen(label, "change", () => {
        charset = reading.charset;
        checkFile();
      });
      return label;
    }));
    find("[data-readings]", dialog).hidden = false;
    find("[data-readings] input", dialog).focus();
  }

  /** @param {Error} error */
  function showRejection(error) {
    const problems = error instanceof Problem ? error.errors.map(atLine).filter((problem) => problem !== null) : [];
    if (problems.length > 0) showPreview({ users: [], roles: {}, ignored_columns: [], problems });
    else showError(form, error);
  }

  /** @param {ImportPreview} preview */
  function showPreview({ users, roles, ignored_columns: ignored, problems: all }) {
    // The question for the role stands for these problems.
    const problems = all.filter((problem) => !isMissingRole(problem));
    const isRoleMissing = problems.length < all.length;
    const isBad = !problems.every(isWarning);
    fill("problems", problems, ({ line, field, code }) => [line, columnName(field, code), problemText(field, code)]);
    fill("users", users, (user) => [user.line, find("div", entry(nameOf(user), user.email)), text(`role.${user.role}`)]);
    const summary = isBad ? "import.bad" : isRoleMissing ? "import.needs_role" : "import.good";
    summarize(summary, { total: (isBad ? problems : users).length });
    const counts = Object.entries(roles).filter(([, total]) => total > 0);
    find("[data-roles]", dialog).textContent = counts.map(([role, total]) => `${text(`role.${role}`)} (${number(total)})`).join(", ");
    if (ignored.length > 0) setText(find("[data-ignored]", dialog), "import.ignored", { columns: ignored.join(", ") });
    find("[data-checked]", dialog).hidden = false;
    setReady(users.length);
    if (!isRoleMissing) return;
    find("[data-role]", dialog).hidden = false;
    role.focus();
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
    const invited = added.flatMap(({ user }) => (user?.pending?.kind === "invitation" ? [user.pending.expires_at] : []));
    find("[data-invited]", page).hidden = invited.length === 0;
    setText(find("[data-invited]", page), "import.invited", { total: invited.length, until: invited[0] && moment(invited[0]) });
    find("[data-others]", page).hidden = others.length === 0;
    find("ul", page).append(...others.map((other) => entry(other.email, text(reasonKey(other)))));
    showDetails(dialog, page, added.flatMap(({ user, generated_password: password }) => (user && password ? [{ user, password }] : [])));
  }

  keepOpen(dialog, () => isLocked);
  for (const close of dialog.querySelectorAll('[data-do="close"]')) {
    listen(close, "click", () => { if (!isLocked) dialog.close(); });
  }
  on(dialog, "example", () => save("users", toTable(example())));
  onSubmit(form, async () => {
    isSent = isLocked = first.disabled = input.disabled = role.disabled = true;
    summarize("import.adding", { total });
    showResults(await add().catch(retry));
  }, {
    onError: (error) => {
      isLocked = first.disabled = input.disabled = role.disabled = false;
      summarize("import.good", { total });
      showRejection(error);
      return true;
    },
  });
  first.hidden = !me.mail;
  role.add(new Option(text("role.choose"), ""));
  for (const name of assignableRoles(me)) role.add(new Option(text(`role.${name}`), name));
  setReady(0);
  guard(dialog, () => isLocked && form.isConnected);
  open(dialog);
  input.focus();
  return closed(form).then(() => isSent);
}

/** A file that can be imported, in the language of the page. */
const example = () => [
  [...COLUMNS, "user.permissions"].map((key) => text(key)),
  ["Ann", "Lee", "ann.lee@example.com", text("role.manager"), ""],
  ["Zoé", "Dubois", "zoe.dubois@example.com", text("role.viewer"), `${text("permission.users.read")}, ${text("permission.audit.read")}`],
];

/**
 * Splits the field of an API error: "line 3: email".
 * @param {FieldError} error
 */
function atLine({ field, code }) {
  const found = /^line (\d+): (.+)$/.exec(field);
  return found && { line: Number(found[1]), field: found[2], code };
}

/**
 * The heading as the file has it, or what the API calls a place without one.
 * @param {string} field
 * @param {string} code
 */
function columnName(field, code) {
  const column = /^column (\d+)$/.exec(field);
  if (column && code === "no_heading") return text("import.column.number", { number: column[1] });
  const key = code === "missing_column" ? `user.${field}` : `import.column.${field}`;
  return hasText(key) ? text(key) : field;
}

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
  if (problem?.code === "too_many_requests") return "import.too_many_mails";
  return partErrorKey(problem);
}
