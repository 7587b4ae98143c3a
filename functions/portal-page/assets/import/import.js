// Adds the users of a file: checked at once, added at a word, their passwords given once.
import { call, Offline, Problem } from "../api.js";
import { entry, find, make, nameOf, on, open } from "../dom.js";
import { save, toTable } from "../download.js";
import { aboutPart, clear, closed, fault, onSubmit, tell } from "../forms.js";
import { has, say, text } from "../language.js";

/** As the API takes it. */
const MOST_BYTES = 1_000_000;

const EXAMPLE = [
  ["first_name", "last_name", "email", "role", "permissions"],
  ["Ann", "Lee", "ann.lee@example.com", "manager", ""],
  ["Zoé", "Dubois", "zoe.dubois@example.com", "viewer", "users.read audit.read"],
];

/** A user who is there already is left as is, and stops nobody else. */
const isWarning = (problem) => problem.code === "email_taken";

/** Resolves to whether anybody may have been added. */
export function importUsers() {
  const dialog = make("import-dialog");
  const form = find("form", dialog);
  const button = find("button:not([type])", form);
  const input = form.elements.file;
  let checked = null;
  let key = "";
  let choice = 0;
  let isSent = false;
  /** While passwords are made, and until they are told to be done with, nothing but the button that says so closes. */
  let isHeld = false;

  const send = (isDryRun, body, headers) =>
    call("POST", `/v1/users/import?dry_run=${isDryRun}`, { body, headers: { "content-type": "text/csv", ...headers } });

  /** Sent again under its key, a file gives new passwords to those whom it added before: a lost answer loses none. */
  const add = () => send(false, checked, { "idempotency-key": key });
  const addAgain = (error) => {
    if (error instanceof Offline) return add();
    throw error;
  };

  const setReady = (total) => {
    button.hidden = button.disabled = total === 0;
    say(button, "import.do", { total });
  };

  input.addEventListener("change", async () => {
    const mine = ++choice;
    const file = input.files[0];
    clear(form);
    setReady(0);
    find("[data-checked]", dialog).hidden = true;
    find("[data-file]", dialog).textContent = find("[data-summary]", dialog).textContent = "";
    if (!file) return;
    if (file.size > MOST_BYTES) {
      tell(form, "import.too_large");
      return;
    }
    try {
      const table = decoded(await file.arrayBuffer());
      const answer = await send(true, table);
      if (mine !== choice) return;
      checked = table;
      key = crypto.randomUUID();
      say(find("[data-file]", dialog), "import.of", { file: file.name });
      showCheck(answer);
      // So that the same file can be chosen again once it was mended.
      input.value = "";
    } catch (error) {
      if (mine !== choice || !dialog.isConnected) return;
      refused(error);
      input.value = "";
    }
  });

  function refused(error) {
    const problems = error instanceof Problem ? error.errors.map(atLine).filter(Boolean) : [];
    if (problems.length > 0) showCheck({ users: [], problems });
    else fault(form, error);
  }

  function showCheck({ users, problems }) {
    const isGood = problems.every(isWarning);
    fill("problems", problems, ({ line, field, code }) => [line, columnName(field), problemText(field, code)]);
    fill("users", users, (user) => [user.line, find("div", entry(nameOf(user), user.email)), text(`role.${user.role}`)]);
    say(find("[data-summary]", dialog), isGood ? "import.good" : "import.bad", { total: (isGood ? users : problems).length });
    find("[data-checked]", dialog).hidden = false;
    setReady(users.length);
  }

  function fill(name, items, cells) {
    const part = find(`[data-${name}]`, dialog);
    part.hidden = items.length === 0;
    find("tbody", part).replaceChildren(...items.map((item) => {
      const row = document.createElement("tr");
      for (const cell of cells(item)) row.insertCell().append(cell);
      return row;
    }));
  }

  function showResults({ results }) {
    // A user whom an earlier request added may be removed since.
    const added = results.filter(({ outcome, user }) => outcome === "added" && user);
    const others = results.filter(({ outcome }) => outcome !== "added");
    const end = make("imported");
    say(find("h2", end), "import.done", { total: added.length });
    find("[data-once]", end).hidden = find('[data-do="download"]', end).hidden = added.length === 0;
    find("[data-others]", end).hidden = others.length === 0;
    find("ul", end).append(...others.map((other) => entry(other.email, text(whyNot(other)))));
    let isSaved = added.length === 0;
    on(end, "download", () => {
      save("sign-in-details", details(added));
      isSaved = true;
      clear(dialog);
    });
    on(end, "done", () => {
      if (isSaved) dialog.close();
      else tell(dialog, "import.not_saved", { action: { key: "import.leave", do: () => dialog.close() } });
    });
    dialog.replaceChildren(...end.children);
    find("h2", dialog).focus();
  }

  dialog.addEventListener("cancel", (event) => { if (isHeld) event.preventDefault(); });
  dialog.addEventListener("keydown", (event) => { if (isHeld && event.key === "Escape") event.preventDefault(); });
  for (const close of dialog.querySelectorAll('[data-do="close"]')) {
    close.addEventListener("click", () => { if (!isHeld) dialog.close(); });
  }
  on(dialog, "example", () => save("users", toTable(EXAMPLE)));
  onSubmit(form, async () => {
    isSent = isHeld = input.disabled = true;
    showResults(await add().catch(addAgain));
  }, {
    onFault: (error) => {
      isHeld = input.disabled = false;
      refused(error);
      return true;
    },
  });
  setReady(0);
  open(dialog);
  input.focus();
  return closed(form).then(() => isSent);
}

/** Most spreadsheets write UTF-8; some still write what Windows took for Western European. */
function decoded(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new TextDecoder("windows-1252").decode(bytes);
  }
}

/** An error of the API at "line 3: email". */
function atLine({ field, code }) {
  const found = /^line (\d+): (\w+)$/.exec(field);
  return found && { line: Number(found[1]), field: found[2], code };
}

const columnName = (field) => {
  const key = [`user.${field}`, `import.column.${field}`].find(has);
  return key ? text(key) : field;
};

const problemText = (field, code) =>
  text([`import.${field}.${code}`, `import.${code}`, `field.${code}`, `fault.${code}`].find(has) ?? "field.invalid");

function whyNot({ outcome, problem }) {
  if (outcome === "exists") return "import.email_taken";
  if (outcome === "unavailable") return "import.unavailable";
  return aboutPart(problem);
}

/** What each needs to sign in, as a table. */
function details(added) {
  const headings = ["user.first_name", "user.last_name", "user.email", "user.role", "user.password", "share.address"];
  return toTable([
    headings.map((key) => text(key)),
    ...added.map(({ user, generated_password: password }) => [
      user.first_name, user.last_name, user.email, text(`role.${user.role}`), password,
      `${location.origin}/?partner=${encodeURIComponent(user.partner_id)}`,
    ]),
  ]);
}
