// Accounts › Access review: the users to review, most urgent first, and a decision on each, by button or by key.
import { call, Offline, Problem, SessionEnded } from "../api.js";
import { activeSinceSignIn, ALL_ROLES, isSelf, mayDecide } from "../access.js";
import { atOnce } from "../at-once.js";
import { chart } from "./chart.js";
import { confirm } from "../confirm/confirm.js";
import { entry as named, find, initials, listen, make, nameOf, notify, on, whileBusy } from "../dom.js";
import { REVIEW, REVIEW_MAIL } from "../columns.js";
import { exportList } from "../download.js";
import { permissionList } from "../history/event-words.js";
import { errorMessage, loadErrorMessage, showEmpty } from "../forms.js";
import { ago, daysSince, setText, text } from "../language.js";
import { pendingText } from "../pending.js";
import { showResults } from "../users/results.js";
import { ifMatch, LARGE_LIMIT, path as userPath, restore } from "../users/requests.js";

/** @import { Decided, Decision, NewDecision, Review, ReviewItem, ReviewSummary, User } from "../../types/api.js" */

/**
 * A user to review, with the decision and the note on this page.
 * @typedef {ReviewItem & { decided?: Decision, before?: ReviewItem, note?: string, isBusy?: boolean }} Entry `before` is the user
 * before the decision.
 */

const LIMIT = 25;

/**
 * The filters: the key of the text, and the users that are shown.
 * @type {Record<string, { key: string, shows: (entry: Entry) => boolean }>}
 */
const FILTERS = {
  all: { key: "review.filter.all", shows: () => true },
  open: { key: "review.filter.open", shows: ({ decided }) => !decided },
  unusual: { key: "review.filter.unusual", shows: (entry) => !isUsual(entry) },
  usual: { key: "review.nothing", shows: isUsual },
  inactive: { key: "review.filter.inactive", shows: has("inactive") },
  never_signed_in: { key: "reason.never_signed_in", shows: has("never_signed_in") },
  exceeds_role_default: { key: "reason.exceeds_role_default", shows: has("exceeds_role_default") },
};
const INACTIVE_DAYS = [30, 60, 90, 180, 365];
const DEFAULT_DAYS = 90;

/** Milliseconds after the last decision before the summary is reloaded. */
const RECOUNT_DELAY = 400;

/**
 * The actions of keys while the focus is in a row.
 * @type {Record<string, Decision | "note">}
 */
const KEYS = { k: "keep", r: "reduce", s: "suspend", x: "remove", Delete: "remove", n: "note" };

/** The key that takes the last decision back. */
const UNDO_KEY = "u";

/**
 * The decisions that need confirmation.
 * @type {Partial<Record<Decision, { title: string, message: string, yes: string }>>}
 */
const CONFIRMED = {
  suspend: { title: "suspend.title", message: "suspend.text", yes: "review.suspend" },
  remove: { title: "remove.title", message: "remove.text", yes: "review.remove" },
};

const DONE = { keep: "review.done.keep", reduce: "review.done.reduce", suspend: "suspend.done", remove: "remove.done" };

/**
 * Shows the review.
 * @param {import("../portal/portal.js").Frame} frame
 */
export function review(frame) {
  const view = frame.show(make("review"), "nav.review");
  const [table, body, nothing] = [find("table", view), find("tbody", view), find(".nothing", view)];
  const more = find('[data-do="more"]', view);
  const days = find("select", view);
  const wanted = Number(new URLSearchParams(location.search).get("inactive_days"));
  let inactiveDays = INACTIVE_DAYS.includes(wanted) ? wanted : DEFAULT_DAYS;
  /** @type {Entry[]} */
  let people = [];
  /** @type {ReviewSummary | null} */
  let summary = null;
  let total = 0;
  /** @type {string | null} */
  let cursor = null;
  /** @type {AbortController | null} */
  let loading = null;
  /** @type {number} */
  let recountTimer;
  /**
   * The last decision that can be taken back.
   * @type {Entry | undefined}
   */
  let last;
  const filters = find(".filters", view);
  const { search, filter } = filters.elements;

  /**
   * @param {number} [limit]
   * @param {string | null} [after] A cursor.
   */
  const path = (limit, after) => {
    const query = new URLSearchParams({ inactive_days: String(inactiveDays), ...(limit && { limit: String(limit) }), ...(after && { cursor: after }) });
    return `/v1/access-review?${query}`;
  };

  /**
   * Loads the first users, or the users after those that are shown. Returns whether it succeeded.
   * @param {{ isMore?: boolean, limit?: number }} [options]
   */
  async function load({ isMore = false, limit = LIMIT } = {}) {
    loading?.abort();
    const current = (loading = new AbortController());
    if (people.length === 0) body.replaceChildren(...Array.from({ length: 6 }, () => make("placeholder-row")));
    table.setAttribute("aria-busy", "true");
    try {
      /** @type {Review} */
      const answer = await call("GET", path(limit, isMore ? cursor : null), { signal: current.signal });
      const known = new Set(isMore ? people.map(({ user }) => user.id) : []);
      /** @type {Entry[]} */
      const added = answer.items.filter(({ user }) => !known.has(user.id));
      // A typed note is kept.
      for (const entry of added) entry.note = people.find(({ user }) => user.id === entry.user.id)?.note;
      people = isMore ? [...people, ...added] : added;
      cursor = answer.next_cursor;
      total = Math.max(answer.total, people.length);
      // Later pages have the summary of the start of the review, without the decisions since then.
      render((isMore && summary) || answer.summary);
      if (isMore && limit === LIMIT) focusOn(added.find(isOpen));
      return true;
    } catch (error) {
      if (current.signal.aborted || error instanceof SessionEnded) return false;
      // The portal keeps the order of a review for a day. After that, the list starts again.
      if (isMore && error instanceof Problem && error.status === 400) return load();
      if (people.length > 0) notify(...loadErrorMessage(error));
      else renderError(error);
      return false;
    } finally {
      if (loading === current) table.removeAttribute("aria-busy");
    }
  }

  /** Loads all users, since a filter applies to all of them. Returns whether it succeeded. */
  async function loadAll() {
    while (cursor) {
      if (!await load({ isMore: true, limit: LARGE_LIMIT })) return false;
    }
    return true;
  }

  /** @param {Entry} entry */
  const isShown = (entry) => FILTERS[filter.value].shows(entry) && matches(entry.user, search.value);

  const isFiltered = () => filter.value !== "all" || search.value.trim() !== "";

  /** Reloads the summary after a decision, or after several in quick succession. */
  function recount() {
    clearTimeout(recountTimer);
    recountTimer = setTimeout(async () => {
      try {
        renderSummary((await call("GET", `${path()}&summary_only=true`)).summary);
      } catch {
        // The old numbers stay. The decision itself was already confirmed.
      }
    }, RECOUNT_DELAY);
  }

  /** @param {ReviewSummary} latest */
  function render(latest) {
    /** @type {any} */
    const active = document.activeElement;
    const focused = active?.closest("tbody tr")?.dataset.id;
    const shown = people.filter(isShown);
    body.replaceChildren(...shown.map(rowOf));
    if (focused) focusOn(people.find((entry) => entry.user.id === focused && isListed(entry)) ?? people.find(isListed));
    table.hidden = shown.length === 0;
    nothing.hidden = shown.length > 0;
    if (shown.length === 0) showEmpty(nothing, "users.none.title", ["users.none.text"], { key: "users.none.do", do: clear });
    more.hidden = !cursor;
    find(".legend", view).hidden = !people.some(isOpen);
    setText(find("[data-count]", view), "review.count", { shown: isFiltered() && !cursor ? shown.length : people.length, total });
    filters.hidden = false;
    renderSummary(latest);
  }

  /** @param {ReviewSummary} latest */
  function renderSummary(latest) {
    summary = latest;
    find(".overview", view).hidden = false;
    const { users, reviewed, to_look_at: first, by_role: roles, by_last_active: times, never_signed_in: never } = latest;
    const bar = find("progress", view);
    bar.max = Math.max(1, users);
    bar.value = reviewed;
    setText(find("[data-progress]", view), "review.progress", { done: reviewed, total: users });
    setText(find("[data-first]", view), "review.look_at", { total: first });
    const ages = times.map(({ within_days: to, users }, index) => {
      const before = times[index - 1]?.within_days;
      if (to === null) return { label: text("chart.earlier", { days: before }), value: users };
      const label = before ? text("chart.between", { from: before + 1, to }) : text("chart.up_to", { days: to });
      return { label, value: users };
    });
    chart(find('[data-chart="last_active"]', view), text("chart.last_active"), [...ages, { label: text("users.never"), value: never }]);
    chart(find('[data-chart="role"]', view), text("chart.role"), ALL_ROLES.map((role) => ({ label: text(`role.${role}`), value: roles[role] ?? 0 })));
  }

  /** @param {Error} error */
  function renderError(error) {
    table.hidden = true;
    body.replaceChildren();
    find(".overview", view).hidden = find(".legend", view).hidden = filters.hidden = true;
    showEmpty(nothing, "review.fault", loadErrorMessage(error), { key: "try_again", do: load });
  }

  /** @param {Entry} entry */
  function rowOf(entry) {
    const { user, reduced, reasons } = entry;
    const name = nameOf(user);
    const row = make("review-row");
    row.dataset.id = user.id;
    find(".initials", row).dataset.initials = initials(user);
    find(".name", row).textContent = name;
    find("[data-you]", row).hidden = !isSelf(frame.me(), user);
    find("[data-role]", row).textContent = text(`role.${user.role}`);
    find("[data-email]", row).textContent = user.email;
    const tags = reasons.map((reason) => item(text(`reason.${reason}`, { total: user.last_active_at && daysSince(user.last_active_at) }), "tag"));
    if (tags.length === 0 && !entry.decided) tags.push(item(text("review.nothing"), "help"));
    find(".tags", row).replaceChildren(...tags);
    const pending = frame.me().mail ? pendingText(user) : "";
    find("[data-use]", row).replaceChildren(...[...usage(entry), ...(pending ? [pending] : [])].map((line) => item(line)));
    const { reviewed_at: at, reviewed_by: by } = entry;
    find("[data-reviewed]", row).textContent = at ? text("review.reviewed", { ago: ago(at), name: by?.name }) : text("users.never");

    const may = mayDecide(frame.me(), user, reduced);
    const [buttons, outcome] = [find(".decisions", row), find("[data-decided]", row)];
    const isUndecided = isOpen(entry);
    buttons.hidden = !isUndecided;
    outcome.hidden = isUndecided;
    if (entry.decided) outcome.textContent = text(`decision.${entry.decided}`);
    else setText(outcome, isSelf(frame.me(), user) ? "review.own" : "review.beyond");
    outcome.classList.toggle("decided", Boolean(entry.decided));
    const back = find("[data-undo]", row);
    back.hidden = !canUndo(entry);
    const undoKey = entry.decided === "keep" ? "review.again" : "review.undo";
    setText(back, undoKey);
    back.setAttribute("aria-label", text("review.of", { what: text(undoKey), name }));
    listen(back, "click", () => undo(entry));
    for (const button of buttons.querySelectorAll("button")) {
      /** @type {Decision | "note"} */
      const decision = button.dataset.decision;
      button.setAttribute("aria-label", text("review.of", { what: text(`review.${decision}`), name }));
      button.hidden = decision !== "note" && !may[decision];
      listen(button, "click", () => (decision === "note" ? openNote(row, entry) : decide(entry, decision)));
    }
    const what = find("[data-reduced]", row);
    what.hidden = !isUndecided || !may.reduce;
    if (reduced && !what.hidden) {
      what.id = `reduced-${user.id}`;
      find('[data-decision="reduce"]', row).setAttribute("aria-describedby", what.id);
      what.textContent = text("review.reduced", { role: text(`role.${reduced.role}`), permissions: permissionList(reduced.permissions) });
      // A wide table shows it at the button, so that rows stay low.
      find('[data-decision="reduce"]', row).title = what.textContent;
    }
    if (entry.note !== undefined && isUndecided) openNote(row, entry, { isQuiet: true });
    return row;
  }

  /**
   * @param {HTMLElement} row
   * @param {Entry} entry
   */
  function openNote(row, entry, { isQuiet = false } = {}) {
    const field = find(".field", row);
    const input = find("input", field);
    if (field.hidden) {
      field.hidden = false;
      input.id = `note-${entry.user.id}`;
      find("label", field).htmlFor = input.id;
      setText(find("label", field), "review.note_label", { name: nameOf(entry.user) });
      input.value = entry.note ?? "";
      entry.note ??= "";
      listen(input, "input", () => { entry.note = input.value; });
      listen(input, "keydown", (event) => {
        if (event.key === "Enter" || event.key === "Escape") {
          event.preventDefault();
          focusOn(entry);
        }
      });
    }
    if (!isQuiet) input.focus();
  }

  /**
   * Sends a decision, after confirmation if it needs one, and moves the focus to the next user.
   * @param {Entry} entry
   * @param {Decision} decision
   */
  async function decide(entry, decision) {
    if (entry.isBusy || entry.decided) return;
    const values = { name: nameOf(entry.user), email: entry.user.email };
    try {
      const question = CONFIRMED[decision];
      if (!question) await send(entry, decision);
      else if (!await confirm({ ...question, values, action: () => sendOrClose(entry, () => send(entry, decision)) })) return;
      if (!entry.decided) return;
    } catch (error) {
      showError(entry, error);
      return;
    }
    last = entry;
    rowFor(entry).replaceWith(rowOf(entry));
    notify(DONE[decision], values);
    focusOn(people.slice(people.indexOf(entry) + 1).find(isListed) ?? people.find(isListed), entry);
    recount();
  }

  /**
   * @param {Entry} entry
   * @param {Decision} decision
   */
  async function send(entry, decision) {
    const { user } = entry;
    const note = entry.note?.trim();
    /** @type {NewDecision} */
    const body = { user_id: user.id, decision, ...(note && { note }) };
    entry.isBusy = true;
    try {
      /** @type {Decided} */
      const answer = await call("POST", "/v1/access-review/decisions", { body, headers: ifMatch(user) });
      const before = { ...entry };
      Object.assign(entry, { before, decided: decision, reasons: [], reviewed_at: answer.reviewed_at, reviewed_by: { name: nameOf(frame.me()) } });
      entry.user = answer.user ?? user;
    } finally {
      entry.isBusy = false;
    }
  }

  /**
   * Gives a user the access before the decision, and offers the decisions again. The record keeps what was decided.
   * @param {Entry} entry
   */
  async function undo(entry) {
    const { before, decided } = entry;
    if (!before || !canUndo(entry) || entry.isBusy) return;
    entry.isBusy = true;
    try {
      entry.user = await accessBefore(entry, before.user);
    } catch (error) {
      showError(entry, error);
      return;
    } finally {
      entry.isBusy = false;
    }
    Object.assign(entry, { decided: undefined, before: undefined, reasons: before.reasons });
    if (last === entry) last = undefined;
    const row = rowFor(entry);
    if (row) row.replaceWith(rowOf(entry));
    else if (summary) render(summary);
    if (decided !== "keep") notify("review.undone", { name: nameOf(entry.user) });
    focusOn(entry);
    recount();
  }

  /** Keeps the access of all users with nothing unusual, after confirmation. */
  async function keepUsual() {
    if (!await loadAll()) return;
    const usual = people.filter((entry) => isOpen(entry) && isUsual(entry) && mayDecide(frame.me(), entry.user, entry.reduced).keep);
    if (usual.length === 0) {
      notify("review.keep_usual.none");
      return;
    }
    /** @type {HTMLElement[]} */
    let faults = [];
    const isDone = await confirm({
      title: "review.keep_usual.title",
      message: "review.keep_usual.text",
      yes: "review.keep",
      values: { total: usual.length },
      users: usual.map(({ user }) => user),
      isMild: true,
      action: async (_fields, say) => { faults = await keepAll(usual, (done) => say("review.keep_usual.progress", { done, total: usual.length })); },
    });
    if (summary) render(summary);
    recount();
    if (!isDone) return;
    // The remaining users can be decided with keys at once.
    focusOn(people.find(isListed));
    const values = { total: usual.length - faults.length, all: usual.length };
    if (faults.length === 0) notify("review.keep_usual.done", values);
    else showResults("review.keep_usual.some", values, faults);
  }

  /**
   * Keeps the access of users, several at a time. Resolves to those for whom it failed, with the reason.
   * @param {Entry[]} entries
   * @param {(done: number) => void} report Called after each decision.
   */
  async function keepAll(entries, report) {
    /** @type {HTMLElement[]} */
    const faults = [];
    await atOnce(entries.filter(({ decided }) => !decided), async (entry) => {
      try {
        await send(entry, "keep");
      } catch (error) {
        // The others would fail too.
        if (error instanceof SessionEnded || error instanceof Offline) throw error;
        const isChanged = error.code === "version_mismatch";
        faults.push(named(nameOf(entry.user), isChanged ? text("review.changed") : text(...errorMessage(error))));
        if (isChanged) entry.user = await call("GET", userPath(entry.user));
        else if (error.code === "not_found") people = people.filter((other) => other !== entry);
      }
      report(entries.filter(({ decided }) => decided).length);
    });
    return faults;
  }

  /**
   * Errors that make the dialog moot close it; others are shown inside.
   * @param {Entry} entry
   * @param {() => Promise<void>} send
   */
  async function sendOrClose(entry, send) {
    try {
      await send();
    } catch (error) {
      if (!["version_mismatch", "not_found"].includes(error.code)) throw error;
      showError(entry, error);
    }
  }

  /**
   * @param {Entry} entry
   * @param {any} error
   */
  function showError(entry, error) {
    if (error instanceof SessionEnded) return;
    if (["version_mismatch", "not_found"].includes(error.code)) {
      notify(error.code === "not_found" ? "fault.gone" : "review.stale", { name: nameOf(entry.user) });
      load();
      return;
    }
    const note = error instanceof Problem && error.errors.find(({ field }) => field === "note");
    if (note) notify(`field.${note.code}`);
    else notify(...errorMessage(error));
  }

  /** @param {Entry} entry */
  const rowFor = (entry) => find(`tr[data-id="${CSS.escape(entry.user.id)}"]`, body);
  /** @param {Entry} entry */
  const isOpen = (entry) => !entry.decided && Object.values(mayDecide(frame.me(), entry.user, entry.reduced)).some(Boolean);
  /** @param {Entry} entry */
  const isListed = (entry) => isOpen(entry) && rowFor(entry) !== null;

  /**
   * Focuses the first button of an entry; without one, the outcome of the last decision, or the end of the list.
   * @param {Entry} [entry]
   * @param {Entry} [last]
   */
  function focusOn(entry, last) {
    const to = entry ? find(".decisions button:not([hidden])", rowFor(entry)) : last && find("[data-decided]", rowFor(last));
    (to ?? find("[data-count]", view)).focus();
  }

  listen(view, "keydown", (event) => {
    if (event.key.toLowerCase() !== UNDO_KEY || !last || event.ctrlKey || event.metaKey || event.altKey) return;
    if (!event.target.matches("input, select")) undo(last);
  });
  listen(body, "keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input")) return;
    const row = event.target.closest("tr");
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      const rows = [...body.rows].filter((row) => !find(".decisions", row)?.hidden);
      const to = rows[rows.indexOf(row) + (event.key === "ArrowDown" ? 1 : -1)];
      const same = to && find(`[data-decision="${event.target.dataset.decision}"]:not([hidden])`, to);
      (same ?? (to && find(".decisions button:not([hidden])", to)))?.focus();
      event.preventDefault();
      return;
    }
    const decision = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    const button = decision && find(`.decisions:not([hidden]) [data-decision="${decision}"]:not([hidden])`, row);
    if (!button) return;
    event.preventDefault();
    button.click();
  });

  /** Shows the users that match the filters, of all users. */
  async function applyFilters() {
    if (isFiltered() && !await loadAll()) return;
    if (summary) render(summary);
  }

  function clear() {
    filters.reset();
    applyFilters();
    search.focus();
  }

  function fillFilters() {
    const { value } = filter;
    filter.replaceChildren(...Object.entries(FILTERS).map(([name, { key }]) => new Option(text(key), name)));
    filter.value = value || "all";
  }

  function fillDays() {
    days.replaceChildren(...INACTIVE_DAYS.map((total) => new Option(text("review.days", { total }), String(total))));
    days.value = inactiveDays;
  }

  listen(days, "change", () => {
    inactiveDays = Number(days.value);
    history.replaceState(null, "", `/?view=review${inactiveDays === DEFAULT_DAYS ? "" : `&inactive_days=${inactiveDays}`}`);
    people = [];
    load();
  });
  on(view, "more", () => load({ isMore: true }));
  on(view, "keep-usual", ({ currentTarget: button }) => whileBusy(button, keepUsual));
  listen(filters, "submit", (event) => event.preventDefault());
  listen(search, "input", applyFilters);
  listen(filter, "change", applyFilters);
  on(view, "export", ({ currentTarget }) => exportList(currentTarget, "access-review", path(), frame.me().mail ? [...REVIEW, ...REVIEW_MAIL] : REVIEW));
  const rerender = () => { if (summary) render(summary); };
  listen(view, "language", () => {
    fillDays();
    fillFilters();
    rerender();
  });
  listen(view, "me", rerender);
  fillDays();
  fillFilters();
  load();
}

/**
 * Whether nothing is unusual about a user. That a review is due is not.
 * @param {Entry} entry
 */
function isUsual({ reasons }) {
  return reasons.every((reason) => reason === "not_reviewed");
}

/**
 * @param {string} reason
 * @returns {(entry: Entry) => boolean}
 */
function has(reason) {
  return ({ reasons }) => reasons.some((one) => one === reason);
}

/**
 * Whether a name or an email contains each of these words.
 * @param {User} user
 * @param {string} typed
 */
function matches(user, typed) {
  const words = plain(typed).split(/\s+/);
  const searched = plain(`${nameOf(user)} ${user.email}`);
  return words.every((word) => searched.includes(word));
}

/**
 * Removes accents and case.
 * @param {string} value
 */
const plain = (value) => value.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase().trim();

/**
 * Whether a decision can be taken back. A removed user cannot be restored.
 * @param {Entry} entry
 */
const canUndo = ({ decided, before }) => before !== undefined && decided !== undefined && decided !== "remove";

/**
 * Restores the access that a decision changed, and resolves to the user.
 * @param {Entry} entry
 * @param {User} before
 * @returns {Promise<User>}
 */
async function accessBefore({ user, decided }, before) {
  if (decided === "suspend") return restore(user, before, "/status");
  return decided === "reduce" ? restore(user, before, "/permissions") : user;
}

/**
 * Returns lines about how a user uses the account.
 * @param {Entry} entry
 */
function usage({ user, reasons, password_changed_at: password, open_sessions: sessions }) {
  const [signedIn, active] = [user.last_sign_in_at, activeSinceSignIn(user)];
  return [
    ...(signedIn ? [text("review.signed_in", { ago: ago(signedIn) })] : []),
    ...(signedIn || reasons.includes("never_signed_in") ? [] : [text("reason.never_signed_in")]),
    ...(active ? [text("user.last_active", { ago: ago(active) })] : []),
    password ? text("review.password", { ago: ago(password) }) : text("review.password_unknown"),
    text("review.sessions", { total: sessions }),
  ];
}

/**
 * @param {string} content
 * @param {string} [name] A class.
 */
function item(content, name = "") {
  const element = document.createElement("li");
  element.textContent = content;
  element.className = name;
  return element;
}
