// Accounts › Users: the table with its search, filters, sorting and pages, and the actions on a user.
import { call, isSearch, SessionEnded } from "../api.js";
import { activeSinceSignIn, ALL_ROLES, holds, isSelf, mayEdit, STATUSES } from "../access.js";
import { discardDraft, storedDraft } from "../drafts.js";
import { find, initials, listen, make, nameOf, notify, on } from "../dom.js";
import { loadErrorMessage, loadOrNotify, showEmpty } from "../forms.js";
import { ago, moment, setText, text } from "../language.js";
import { menu } from "../menu/menu.js";
import { acting } from "./acting.js";
import { selection } from "./selection.js";
import { mailText, PENDING_STATES, pendingText } from "../pending.js";
import { path } from "./requests.js";
import { invitation } from "./user-actions.js";

/** @import { Me, User, Users } from "../../types/api.js" */
/** @import { Draft } from "../drafts.js" */
/** @import { Item } from "../menu/menu.js" */

/** The numbers of rows per page that the user can choose. The first one is the default. */
const ROWS = [25, 50, 100];
/** The key of the chosen number in local storage. */
const CHOSEN_ROWS = "rows";
/** The key of the columns that the user has hidden, in local storage. */
const HIDDEN_COLUMNS = "hidden_columns";
/** Milliseconds after the last key before a search is sent. */
const SEARCH_DELAY = 250;
/** The filters with a list of values. */
const SELECTS = ["role", "status", "pending", "second_factor"];

/** The values of the filter by second factor. */
const FACTORS = ["totp", "passkey", "none"];

/**
 * Shows the users.
 * @param {import("../portal/portal.js").Frame} frame
 */
export function users(frame) {
  const view = frame.show(make("users"), "nav.users");
  let me = frame.me();
  /** @type {() => Promise<boolean>} */
  const reload = () => list.load();
  const { edit, share, actionsFor } = acting(frame, view, reload);
  const list = userList(view, () => me, edit, actionsFor);
  listen(view, "me", () => {
    me = frame.me();
    list.load();
  });

  on(view, "add", () => add());

  /** @param {Draft} [draft] */
  async function add(draft) {
    const part = await loadOrNotify(() => import("../user-dialog/user-dialog.js"));
    // Another view may have been shown in the meantime.
    const added = view.isConnected && await part?.addUser(frame.me(), draft);
    if (!added) return;
    list.load();
    const { user, password } = added;
    const name = nameOf(user);
    if (password) {
      await share(added);
      notify("add.done", { name });
    } else {
      notify("add.invited", { name, ...invitation(user) });
    }
  }

  on(view, "export", async ({ currentTarget }) => {
    const part = await loadOrNotify(() => import("./export-users.js"));
    part?.exportUsers(currentTarget, list.query(), me.mail);
  });
  on(view, "import", async () => {
    const part = await loadOrNotify(() => import("../import/import.js"));
    // Another view may have been shown in the meantime.
    if (view.isConnected && await part?.importUsers(me)) list.load();
  });
  find('[data-do="add"]', view).hidden = find('[data-do="import"]', view).hidden = !holds(me, "users.add");
  find('[data-do="columns"]', view).hidden = find('[data-do="export"]', view).hidden = !holds(me, "users.read");
  // On a phone, a menu has the buttons that are used rarely.
  const rare = ["export", "import"].map((name) => find(`[data-do="${name}"]`, view));
  menu(find('[data-do="rare"]', view), () => rare.filter(({ hidden }) => !hidden).map((button) => ({ label: button.textContent, do: () => button.click() })));
  find(".foot a", view).hidden = !holds(me, "users.read") || !holds(me, "users.add");

  /** Opens the form again that a reload or the end of the session has closed. */
  async function resume() {
    const draft = storedDraft();
    if (!draft) return;
    if (!draft.user) {
      add(draft);
      return;
    }
    try {
      edit(await call("GET", path({ id: draft.user })), draft);
    } catch (error) {
      if (error instanceof SessionEnded) return;
      discardDraft();
      notify(...loadErrorMessage(error));
    }
  }

  list.load();
  resume();
}

/**
 * The table, with its filters, sorting and pages.
 * @param {any} view
 * @param {() => Me} me
 * @param {(user: User) => void} edit
 * @param {(user: User) => Item[]} actionsFor
 */
function userList(view, me, edit, actionsFor) {
  const filters = find(".filters", view);
  const table = find("table", view);
  const [body, nothing, pages] = [find("tbody", view), find(".nothing", view), find(".pages", view)];
  const criteria = fromAddress();
  const selected = selection(view, me, { query, load });
  /**
   * The cursors of the pages up to the one shown, which a reload and the browser's button Back restore.
   * @type {(string | null)[]}
   */
  let cursors = history.state?.cursors ?? [null];
  const hidden = new Set(localStorage.getItem(HIDDEN_COLUMNS)?.split(" "));
  let limit = ROWS.find((rows) => String(rows) === localStorage.getItem(CHOSEN_ROWS)) ?? ROWS[0];
  /** @type {AbortController | null} */
  let loading = null;
  /** @type {Users | null} */
  let shown = null;

  if (!me().mail) criteria.pending = "";
  find("[data-pending-filter]", filters).hidden = !me().mail;
  filters.elements.search.value = criteria.search;
  showHint();
  fillFilters();
  showColumns();
  menu(find('[data-do="columns"]', view), () => [...table.querySelectorAll("th[data-column]")].map(({ textContent, dataset: { column } }) => ({
    label: textContent,
    isChecked: !hidden.has(column),
    do() {
      if (!hidden.delete(column)) hidden.add(column);
      localStorage.setItem(HIDDEN_COLUMNS, [...hidden].join(" "));
      showColumns();
    },
  })));

  /** Hides the cells of the columns that the user has hidden. */
  function showColumns() {
    for (const cell of table.querySelectorAll("[data-column]")) cell.hidden = hidden.has(cell.dataset.column);
  }

  function fillFilters() {
    /**
     * @param {HTMLSelectElement} select
     * @param {string} value
     * @param {string} any The key of the text for no filter.
     * @param {[value: string, key: string][]} options
     */
    const fill = (select, value, any, options) => {
      select.replaceChildren(new Option(text(any), ""), ...options.map(([value, key]) => new Option(text(key), value)));
      select.value = value;
    };
    fill(filters.elements.role, criteria.role, "users.any_role", ALL_ROLES.map((role) => [role, `role.${role}`]));
    fill(filters.elements.status, criteria.status, "users.any_status", STATUSES.map((status) => [status, `status.${status}`]));
    fill(filters.elements.second_factor, criteria.second_factor, "users.any_factor", FACTORS.map((kind) => [kind, `factor_filter.${kind}`]));
    fill(filters.elements.pending, criteria.pending, "users.any_pending", PENDING_STATES.map((state) => [state, `pending.${state}`]));
  }

  const isFiltered = () => isSearch(criteria.search) || SELECTS.some((name) => criteria[name] !== "");

  /** Shows that a search is too short, which therefore finds all users. */
  function showHint() {
    const hint = find("#search-help", filters);
    if (criteria.search && !isSearch(criteria.search)) {
      setText(hint, "search.short");
    } else {
      delete hint.dataset.t;
      hint.textContent = "";
    }
  }

  /** Loads the first page for changed criteria. */
  function restart() {
    cursors = [null];
    toAddress(criteria);
    selected.clear();
    load();
  }

  /** Loads another page, and shows its beginning. */
  async function turn() {
    history.replaceState({ cursors }, "");
    if (!await load()) return;
    if (find(".sheet", view).getBoundingClientRect().top < 0) scrollTo(0, 0);
    // The last page disables the button that had the focus.
    if (document.activeElement === document.body) find("h1", view).focus({ preventScroll: true });
  }

  /** The query for the criteria, without the page. */
  function query() {
    const query = new URLSearchParams({ sort: criteria.sort, order: criteria.order });
    if (isSearch(criteria.search)) query.set("search", criteria.search);
    for (const name of SELECTS) if (criteria[name]) query.set(name, criteria[name]);
    return query;
  }

  /**
   * Loads the page, and resolves to whether it is shown.
   * @returns {Promise<boolean>}
   */
  async function load() {
    loading?.abort();
    const current = (loading = new AbortController());
    table.setAttribute("aria-busy", "true");
    if (!shown) {
      body.replaceChildren(...Array.from({ length: 6 }, () => make("placeholder-row")));
      table.hidden = false;
      nothing.hidden = true;
      selected.wait();
    }
    const page = query();
    page.set("limit", String(limit));
    const cursor = cursors.at(-1);
    if (cursor) page.set("cursor", cursor);
    try {
      /** @type {Users} */
      const answer = await call("GET", `/v1/users?${page}`, { signal: current.signal });
      if (answer.items.length === 0 && cursors.length > 1) {
        // The last user on this page was removed.
        cursors.pop();
        return await load();
      }
      shown = answer;
      render(answer);
      return true;
    } catch (error) {
      if (current.signal.aborted || error instanceof SessionEnded) return false;
      if (error.status === 400 && cursors.length > 1) {
        // The portal no longer accepts the cursor of this page.
        cursors = [null];
        return await load();
      }
      renderError(error);
      return false;
    } finally {
      if (loading === current) table.removeAttribute("aria-busy");
    }
  }

  /** @param {Users} page */
  function render(page) {
    /** @type {any} */
    const focused = document.activeElement;
    const [id, action] = [focused?.closest("tr")?.dataset.id, focused?.dataset.do];
    body.replaceChildren(...page.items.map(row));
    showColumns();
    if (id && document.activeElement === document.body) {
      find(`tr[data-id="${CSS.escape(id)}"] [data-do="${action}"]`, body)?.focus();
    }
    table.hidden = page.total === 0;
    if (page.total === 0) showEmpty(nothing, "users.none.title", ["users.none.text"], { key: "users.none.do", do: clear });
    else if (page.total === 1 && !isFiltered() && holds(me(), "users.add")) showEmpty(nothing, "users.alone.title", ["users.alone.text"]);
    else nothing.hidden = true;
    selected.show(page.items, page.total);
    renderCount(page);
    renderSort();
    find('[data-do="clear"]', filters).hidden = !isFiltered();
  }

  /** @param {Users} page */
  function renderCount({ items, total, next_cursor: next }) {
    const count = find("[data-count]", view);
    const first = (cursors.length - 1) * limit + 1;
    if (total > limit) setText(count, "users.range", { first, last: first + items.length - 1, total });
    else setText(count, isFiltered() ? "users.found" : "users.count", { total });
    pages.hidden = total <= limit;
    find(".rows", view).hidden = total <= ROWS[0];
    find('[data-do="previous"]', pages).disabled = cursors.length === 1;
    find('[data-do="next"]', pages).disabled = !next;
  }

  function renderSort() {
    for (const header of view.querySelectorAll("[data-sort]")) {
      const isSorted = header.dataset.sort === criteria.sort;
      if (isSorted) header.setAttribute("aria-sort", criteria.order === "asc" ? "ascending" : "descending");
      else header.removeAttribute("aria-sort");
    }
  }

  /**
   * Shows that the list could not be loaded, above the last list.
   * @param {any} error
   */
  function renderError(error) {
    if (!shown || error.code === "missing_permission") {
      shown = null;
      body.replaceChildren();
      table.hidden = pages.hidden = find(".rows", view).hidden = true;
      selected.show([], 0);
      const count = find("[data-count]", view);
      delete count.dataset.t;
      count.textContent = "";
    }
    if (error.code === "missing_permission") {
      filters.hidden = true;
      showEmpty(nothing, "users.forbidden.title", ["users.forbidden.text"]);
    } else {
      showEmpty(nothing, "users.fault.title", loadErrorMessage(error), { key: "try_again", do: load });
    }
  }

  /** @param {User} user */
  function row(user) {
    const name = nameOf(user);
    const row = make("user-row");
    row.dataset.id = user.id;
    find(".initials", row).dataset.initials = initials(user);
    const link = find(".name", row);
    link.textContent = name;
    link.href = isSelf(me(), user) ? "/?view=account" : `/?view=user&id=${encodeURIComponent(user.id)}`;
    find("[data-you]", row).hidden = !isSelf(me(), user);
    find("[data-email]", row).textContent = user.email;
    fillLine(find("[data-mail]", row), me().mail ? mailText(user) : "");
    setText(find("[data-role] span", row), `role.${user.role}`);
    find("[data-role]", row).classList.toggle("primary-admin", user.role === "primary_admin");
    find("[data-role] svg", row).toggleAttribute("hidden", user.role !== "primary_admin");
    const status = find(".status", row);
    setText(status, `status.${user.status}`);
    status.dataset.status = user.status;
    fillLine(find("[data-pending]", row), me().mail || user.pending?.kind === "invitation" ? pendingText(user) : "");
    find("[data-factor]", row).hidden = user.second_factor === "none";
    fillTime(find("[data-when]", row), user.last_sign_in_at);
    const activeAt = activeSinceSignIn(user);
    fillLine(find("[data-active]", row), activeAt ? text("user.last_active", { ago: ago(activeAt) }) : "");

    const [editButton, more] = [find('[data-do="edit"]', row), find('[data-do="more"]', row)];
    editButton.setAttribute("aria-label", text("users.edit_of", { name }));
    listen(editButton, "click", () => edit(user));
    const { name: mayRename, access: maySetAccess } = mayEdit(me(), user);
    editButton.hidden = !mayRename && !maySetAccess;
    more.setAttribute("aria-label", text("users.more_of", { name }));
    const items = actionsFor(user);
    more.hidden = items.length === 0;
    if (!more.hidden) menu(more, () => items);
    selected.offer(find(".select", row), user);
    return row;
  }

  /**
   * @param {HTMLElement} line
   * @param {string} content Nothing hides the line.
   */
  function fillLine(line, content) {
    line.hidden = !content;
    line.textContent = content;
  }

  /**
   * @param {HTMLElement} cell
   * @param {string | null} time
   */
  function fillTime(cell, time) {
    if (!time) {
      setText(cell, "users.never");
      return;
    }
    const element = document.createElement("time");
    element.dateTime = time;
    element.textContent = moment(time);
    cell.append(element);
  }

  function clear() {
    Object.assign(criteria, { search: "", role: "", status: "", pending: "", second_factor: "" });
    filters.reset();
    for (const name of SELECTS) filters.elements[name].value = "";
    filters.elements.search.focus();
    showHint();
    restart();
  }

  /** @type {number} */
  let typing;
  listen(filters.elements.search, "input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => {
      const search = filters.elements.search.value.trim();
      const isSame = search === criteria.search || !(isSearch(search) || isSearch(criteria.search));
      criteria.search = search;
      showHint();
      if (!isSame) restart();
    }, SEARCH_DELAY);
  });
  for (const name of SELECTS) {
    listen(filters.elements[name], "change", ({ target }) => {
      criteria[name] = target.value;
      restart();
    });
  }
  listen(filters, "submit", (event) => event.preventDefault());
  on(filters, "clear", clear);
  for (const header of view.querySelectorAll("[data-sort]")) {
    listen(find("button", header), "click", () => {
      const { sort } = header.dataset;
      if (criteria.sort === sort) criteria.order = criteria.order === "asc" ? "desc" : "asc";
      else criteria.order = sort === "last_sign_in_at" ? "desc" : "asc";
      criteria.sort = sort;
      restart();
    });
  }
  on(pages, "next", () => {
    if (shown) cursors.push(shown.next_cursor);
    turn();
  });
  on(pages, "previous", () => { cursors.pop(); turn(); });
  const rows = find("#rows", view);
  for (const number of ROWS) rows.add(new Option(String(number)));
  rows.value = limit;
  listen(rows, "change", () => {
    limit = Number(rows.value);
    localStorage.setItem(CHOSEN_ROWS, rows.value);
    cursors = [null];
    turn();
  });
  listen(view, "language", () => {
    fillFilters();
    if (shown) render(shown);
  });
  // Other admins may have changed users while this tab was hidden.
  const whenSeen = () => {
    if (!view.isConnected) document.removeEventListener("visibilitychange", whenSeen);
    else if (document.visibilityState === "visible" && shown && !find("dialog, :popover-open")) load();
  };
  listen(document, "visibilitychange", whenSeen);
  return { load, query };
}

/**
 * The criteria in the address, which a reload or a new sign-in restores.
 * @returns {Record<string, string>}
 */
function fromAddress() {
  const query = new URLSearchParams(location.search);
  /**
   * @param {string} name
   * @param {string[]} values The first one is the default.
   */
  const oneOf = (name, values) => values.find((value) => value === query.get(name)) ?? values[0];
  return {
    search: query.get("search") ?? "",
    role: oneOf("role", ["", ...ALL_ROLES]),
    status: oneOf("status", ["", ...STATUSES]),
    pending: oneOf("pending", ["", ...PENDING_STATES]),
    second_factor: oneOf("second_factor", ["", ...FACTORS]),
    sort: oneOf("sort", ["name", "email", "last_sign_in_at"]),
    order: oneOf("order", ["asc", "desc"]),
  };
}

/** @param {Record<string, string>} criteria */
function toAddress(criteria) {
  /** @type {Record<string, string>} */
  const defaults = { search: "", role: "", status: "", pending: "", second_factor: "", sort: "name", order: "asc" };
  const query = new URLSearchParams(Object.entries(criteria).filter(([name, value]) => value !== defaults[name]));
  history.replaceState(null, "", query.size > 0 ? `/?${query}` : "/");
}
