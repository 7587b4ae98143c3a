// Accounts › Users › Removed users: the users who can still be restored.
import { assignableRoles, mayChange } from "../access.js";
import { call, SessionEnded } from "../api.js";
import { atOnce } from "../at-once.js";
import { find, listen, make, nameOf, notify, on } from "../dom.js";
import { loadErrorMessage, showEmpty } from "../forms.js";
import { moment, setText, text } from "../language.js";
import { path } from "../users/requests.js";
import { restoreUser } from "./restore.js";

/** @import { Me, RemovedUser, RemovedUsers, User } from "../../types/api.js" */

const LIMIT = "25";

/**
 * Whether `me` may add a user with this access, which a restore does.
 * @param {Me} me
 * @param {RemovedUser} user
 */
const mayRestore = (me, user) => mayChange(me, user, "users.add") && assignableRoles(me).includes(user.role);

/**
 * Shows the removed users.
 * @param {import("../portal/portal.js").Frame} frame
 */
export function removed(frame) {
  const view = frame.show(make("removed"), "users.removed");
  const [table, body, nothing] = [find("table", view), find("tbody", view), find(".nothing", view)];
  const [count, more] = [find("[data-count]", view), find('[data-do="more"]', view)];
  /**
   * The names of the users who have removed others, by id. Empty for a user who is unknown.
   * @type {Map<string, string>}
   */
  const names = new Map();
  /** @type {RemovedUser[] | null} */
  let shown = null;
  /** @type {string | null} */
  let cursor = null;
  /** @type {AbortController | null} */
  let loading = null;

  /**
   * Loads the first page, or adds the page at a cursor.
   * @param {string | null} [next]
   */
  async function load(next) {
    loading?.abort();
    const current = (loading = new AbortController());
    table.setAttribute("aria-busy", "true");
    if (!shown) {
      body.replaceChildren(...Array.from({ length: 6 }, () => make("placeholder-row")));
      table.hidden = false;
      nothing.hidden = true;
    }
    try {
      const query = new URLSearchParams({ limit: LIMIT, ...(next && { cursor: next }) });
      /** @type {RemovedUsers} */
      const page = await call("GET", `/v1/removed-users?${query}`, { signal: current.signal });
      await learnNames(page.items, current.signal);
      if (current.signal.aborted) return;
      const before = next && shown ? shown : [];
      shown = [...before, ...page.items];
      cursor = page.next_cursor;
      render(shown);
      // The reader continues where the added page begins.
      if (next) (body.children[before.length]?.querySelector("th") ?? count).focus();
    } catch (error) {
      if (current.signal.aborted || error instanceof SessionEnded) return;
      if (shown) notify(...loadErrorMessage(error));
      else renderError(error);
    } finally {
      if (loading === current) table.removeAttribute("aria-busy");
    }
  }

  /**
   * Finds out the names of those who removed these users.
   * @param {RemovedUser[]} items
   * @param {AbortSignal} signal
   */
  async function learnNames(items, signal) {
    for (const user of [frame.me(), ...items]) names.set(user.id, nameOf(user));
    const unknown = new Set(items.map(({ removed_by: id }) => id).filter((id) => !names.has(id)));
    await atOnce([...unknown], async (id) => {
      try {
        /** @type {User} */
        const user = await call("GET", path({ id }), { signal });
        names.set(id, nameOf(user));
      } catch (error) {
        if (error instanceof SessionEnded) throw error;
        // The list is complete without this name.
        if (error.status === 404) names.set(id, "");
      }
    });
  }

  /** @param {RemovedUser[]} items */
  function render(items) {
    body.replaceChildren(...items.map(row));
    table.hidden = items.length === 0;
    more.hidden = !cursor;
    setText(count, "removed.count", { total: items.length });
    if (items.length === 0) showEmpty(nothing, "removed.none.title", ["removed.none.text"]);
    else nothing.hidden = true;
  }

  /** @param {Error} error */
  function renderError(error) {
    table.hidden = true;
    showEmpty(nothing, "users.fault.title", loadErrorMessage(error), { key: "try_again", do: load });
  }

  /** @param {RemovedUser} user */
  function row(user) {
    const [row, name, by] = [make("removed-row"), nameOf(user), names.get(user.removed_by)];
    find(".name", row).textContent = name;
    find("[data-email]", row).textContent = user.email;
    setText(find("[data-role]", row), `role.${user.role}`);
    find("[data-suspended]", row).hidden = user.status !== "suspended";
    showTime(find("[data-at]", row), user.removed_at);
    find("[data-by]", row).textContent = by ? text("removed.by", { name: by }) : "";
    showTime(find("[data-until]", row), user.restorable_until);
    const button = find("button", row);
    button.hidden = !mayRestore(frame.me(), user);
    button.setAttribute("aria-label", text("removed.restore_of", { name }));
    on(row, "restore", () => restoreUser(frame, user, reload));
    return row;
  }

  async function reload() {
    await load();
    if (document.activeElement === document.body) find("h1", view).focus();
  }

  on(view, "more", () => load(cursor));
  for (const change of ["language", "me"]) listen(view, change, () => { if (shown) render(shown); });
  load();
}

/**
 * @param {HTMLTimeElement} element
 * @param {string} time
 */
function showTime(element, time) {
  element.dateTime = time;
  element.textContent = moment(time);
}
