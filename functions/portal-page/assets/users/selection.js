// The selection of users in the list, which extends over its pages, and the actions on all of them.
import { call, SessionEnded } from "../api.js";
import { holds, mayChange } from "../access.js";
import { find, listen, nameOf, notify, on, whileBusy } from "../dom.js";
import { loadErrorMessage, loadOrNotify } from "../forms.js";
import { setText, text } from "../language.js";
import { LARGE_LIMIT } from "./requests.js";
import { mayInvite } from "./user-actions.js";

/** @import { Me, Permission, User, Users } from "../../types/api.js" */

/**
 * @param {Permission} permission
 * @returns {(me: Me, user: User) => boolean}
 */
const needs = (permission) => (me, user) => mayChange(me, user, permission);

/**
 * The actions by the names of their buttons: whether each is possible, and whether it skips selected users for whom it is not.
 * @type {Record<string, { isPossible: (me: Me, user: User) => boolean, skips?: boolean }>}
 */
const ACTIONS = {
  invite: { isPossible: mayInvite, skips: true },
  // A new first password, for users who have not chosen one.
  password: { isPossible: (me, user) => user.pending !== null && user.status === "active" && mayChange(me, user, "users.edit"), skips: true },
  role: { isPossible: needs("users.set_permissions") },
  reactivate: { isPossible: (me, user) => user.status === "suspended" && mayChange(me, user, "users.remove"), skips: true },
  force_logout: { isPossible: needs("users.force_logout") },
  suspend: { isPossible: needs("users.remove") },
  remove: { isPossible: needs("users.remove") },
};

/**
 * The selection.
 * @param {HTMLElement} view
 * @param {() => Me} me
 * @param {{ query: () => URLSearchParams, load: () => Promise<boolean> }} list The query for all users that match, and a function
 * that reloads the list after an action.
 */
export function selection(view, me, list) {
  const bar = find(".selection", view);
  const all = find("[data-all]", bar);
  /** @type {User[]} */
  let shown = [];
  /** The number of users that match, on all pages. */
  let count = 0;
  /**
   * The selected users by their ids, also those of other pages.
   * @type {Map<string, User>}
   */
  let selected = new Map();

  /**
   * Users cannot apply these actions to themselves.
   * @param {User} user
   */
  const isSelectable = (user) => Object.values(ACTIONS).some(({ isPossible }) => isPossible(me(), user));

  /**
   * Sets up the checkbox of a user, or removes it if no action is allowed.
   * @param {HTMLElement} cell
   * @param {User} user
   */
  function offer(cell, user) {
    if (!isSelectable(user)) {
      cell.replaceChildren();
      return;
    }
    const box = find("input", cell);
    box.checked = selected.has(user.id);
    box.setAttribute("aria-label", text("bulk.choose", { name: nameOf(user) }));
    listen(box, "change", () => {
      if (box.checked) selected.set(user.id, user);
      else selected.delete(user.id);
      update();
    });
  }

  /**
   * Sets the users of the page that is shown, and the number of users on all pages.
   * @param {User[]} users
   * @param {number} total
   */
  function show(users, total) {
    shown = users.filter(isSelectable);
    count = total;
    // If there is one page, selected users who are not on it are gone.
    const kept = users.length === total ? [] : selected;
    const latest = shown.filter(({ id }) => selected.has(id));
    selected = new Map([...kept, ...latest.map((user) => /** @type {const} */ ([user.id, user]))]);
    for (const { id } of users) if (!latest.some((user) => user.id === id)) selected.delete(id);
    update();
  }

  /** Shows the bar while the first users are loaded, so that it does not move them. */
  function wait() {
    bar.hidden = !["users.add", "users.remove", "users.force_logout"].some((permission) => holds(me(), /** @type {Permission} */ (permission)));
  }

  /** @param {User[]} users */
  function select(users) {
    selected = new Map(users.map((user) => [user.id, user]));
    /** @type {Iterable<any>} */
    const boxes = view.querySelectorAll(".select input");
    for (const box of boxes) box.checked = selected.has(box.closest("tr").dataset.id);
    update();
  }

  function update() {
    bar.hidden = shown.length === 0 && selected.size === 0;
    all.checked = shown.length > 0 && shown.every(({ id }) => selected.has(id));
    all.indeterminate = selected.size > 0 && !all.checked;
    find("[data-chosen]", bar).textContent = selected.size > 0 ? text("bulk.chosen", { total: selected.size }) : "";
    const everyone = find('[data-do="everyone"]', bar);
    everyone.hidden = !all.checked || count <= Math.max(selected.size, shown.length) || shown.length < selected.size;
    setText(everyone, "bulk.everyone", { total: count });
    find('[data-do="none"]', bar).hidden = selected.size <= shown.length;
    find(".selection-actions", bar).hidden = selected.size === 0;
    for (const [action, { isPossible, skips }] of Object.entries(ACTIONS)) {
      const users = skips ? chosenFor(action) : [...shown, ...selected.values()].filter((user) => isPossible(me(), user));
      find(`[data-do="${action}"]`, bar).hidden = users.length === 0;
    }
  }

  /** @param {string} action */
  function chosenFor(action) {
    const { isPossible, skips } = ACTIONS[action];
    return [...selected.values()].filter((user) => !skips || isPossible(me(), user));
  }

  /** Selects the users on all pages. */
  async function selectEveryone() {
    /** @type {User[]} */
    const users = [];
    const query = list.query();
    query.set("limit", String(LARGE_LIMIT));
    try {
      /** @type {Users} */
      let page;
      do {
        page = await call("GET", `/v1/users?${query}`);
        users.push(...page.items);
        if (page.next_cursor) query.set("cursor", page.next_cursor);
      } while (page.next_cursor && view.isConnected);
    } catch (error) {
      if (!(error instanceof SessionEnded)) notify(...loadErrorMessage(error));
      return;
    }
    select(users.filter(isSelectable));
  }

  listen(all, "change", () => {
    const others = [...selected.values()].filter(({ id }) => !shown.some((user) => user.id === id));
    select(all.checked ? [...others, ...shown] : others);
  });
  on(bar, "everyone", ({ currentTarget }) => whileBusy(currentTarget, selectEveryone));
  on(bar, "none", () => {
    select([]);
    all.focus();
  });
  for (const action of Object.keys(ACTIONS)) {
    on(bar, action, async () => {
      const part = await loadOrNotify(() => import("./bulk.js"));
      const retries = await part?.changeAll(action, chosenFor(action), me(), list.load);
      if (!retries) return;
      // Users whose change failed temporarily stay selected for a retry.
      select([...selected.values()].filter(({ id }) => retries.includes(id)));
      list.load();
    });
  }

  return { offer, show, wait, clear: () => select([]) };
}
