// The selection of users in the list, and the actions on all of them.
import { call, Problem, SessionEnded } from "../api.js";
import { mayChange } from "../access.js";
import { confirm } from "../confirm/confirm.js";
import { entry, find, listen, make, nameOf, notify, on, open } from "../dom.js";
import { errorMessage, partErrorKey } from "../forms.js";
import { setText, text } from "../language.js";
import { load } from "../load.js";
import { mayInvite, sendInvitation } from "./user-actions.js";

/** @import { BulkResult, Me, Permission, User } from "../../types/api.js" */

/** @typedef {Pick<BulkResult, "user_id" | "outcome" | "problem"> & { message?: string, password?: string }} Result */

/**
 * @param {Permission} permission
 * @returns {(me: Me, user: User) => boolean}
 */
const needs = (permission) => (me, user) => mayChange(me, user, permission);

/**
 * Whether `me` may set a new first password for this user, who has not chosen one.
 * @param {Me} me
 * @param {User} user
 */
const mayGivePassword = (me, user) => user.pending !== null && user.status === "active" && mayChange(me, user, "users.edit");

/**
 * The actions by their names in the API: whether each is possible, the key of its button's text, and how it is sent if it is not
 * one request for all users.
 * @type {Record<string, { isPossible: (me: Me, user: User) => boolean, yes: string, send?: (users: User[]) => Promise<Result[]> }>}
 */
const ACTIONS = {
  invite: { isPossible: mayInvite, yes: "users.invite", send: (users) => forEach(users, sendInvitation) },
  password: { isPossible: mayGivePassword, yes: "users.first_password", send: givePasswords },
  force_logout: { isPossible: needs("users.force_logout"), yes: "users.force_logout" },
  suspend: { isPossible: needs("users.remove"), yes: "users.suspend" },
  remove: { isPossible: needs("users.remove"), yes: "users.remove" },
};

/**
 * The selection among the users shown.
 * @param {HTMLElement} view
 * @param {() => Me} me
 * @param {() => void} done Called after an action.
 */
export function selection(view, me, done) {
  const bar = find(".selection", view);
  const all = find("[data-all]", bar);
  /** @type {User[]} */
  let shown = [];
  /** @type {Set<string>} */
  let selected = new Set();

  /**
   * Users cannot apply these actions to themselves.
   * @param {User} user
   */
  const isSelectable = (user) =>
    Object.values(ACTIONS).some(({ isPossible }) => isPossible(me(), user));

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
      if (box.checked) selected.add(user.id);
      else selected.delete(user.id);
      update();
    });
  }

  /**
   * Sets the users that are shown. Only these can be selected.
   * @param {User[]} users
   */
  function show(users) {
    shown = users.filter(isSelectable);
    selected = new Set(shown.filter(({ id }) => selected.has(id)).map(({ id }) => id));
    update();
  }

  /** @param {string[]} ids */
  function select(ids) {
    selected = new Set(ids);
    /** @type {Iterable<any>} */
    const boxes = view.querySelectorAll(".select input");
    for (const box of boxes) box.checked = selected.has(box.closest("tr").dataset.id);
    update();
  }

  function update() {
    bar.hidden = shown.length === 0;
    all.checked = selected.size > 0 && selected.size === shown.length;
    all.indeterminate = selected.size > 0 && !all.checked;
    find("[data-chosen]", bar).textContent = selected.size > 0 ? text("bulk.chosen", { total: selected.size }) : "";
    find(".selection-actions", bar).hidden = selected.size === 0;
    for (const [action, { isPossible, send }] of Object.entries(ACTIONS)) {
      const users = send ? chosenFor(action) : shown.filter((user) => isPossible(me(), user));
      find(`[data-do="${action}"]`, bar).hidden = users.length === 0;
    }
  }

  /**
   * The selected users for an action. Some actions skip users who do not need them.
   * @param {string} action
   */
  function chosenFor(action) {
    const { isPossible, send } = ACTIONS[action];
    return shown.filter((user) => selected.has(user.id) && (!send || isPossible(me(), user)));
  }

  listen(all, "change", () => {
    select(all.checked ? shown.map(({ id }) => id) : []);
  });
  for (const action of Object.keys(ACTIONS)) on(bar, action, () => doToAll(action));

  /** @param {string} action */
  async function doToAll(action) {
    const users = chosenFor(action);
    const total = users.length;
    /** @type {Result[]} */
    let results = [];
    const send = ACTIONS[action].send ?? (async () =>
      (await call("POST", "/v1/users/bulk", { body: { action, user_ids: users.map(({ id }) => id) } })).results);
    const isDone = await confirm({
      title: `bulk.${action}.title`,
      message: `bulk.${action}.text`,
      yes: ACTIONS[action].yes,
      values: { total },
      users,
      typed: action === "remove" ? String(total) : undefined,
      isMild: action === "invite" || action === "password",
      action: async () => { results = await send(users); },
    });
    if (!isDone) return;
    find("h1", view).focus();
    const others = results.filter((result) => !isSuccess(action, result));
    // Users whose change failed temporarily stay selected for a retry.
    select(others.filter(({ outcome }) => outcome === "unavailable").map((result) => result.user_id));
    done();
    const values = { total: total - others.length, all: total };
    const names = new Map(users.map((user) => [user.id, nameOf(user)]));
    const entries = others.map((other) => entry(names.get(other.user_id) ?? "", other.message ?? text(reasonKey(other))));
    const details = results.flatMap(({ user_id: id, password }) => {
      const user = users.find((one) => one.id === id);
      return user && password ? [{ user, password }] : [];
    });
    if (details.length > 0) {
      const { offerPasswords } = await firstPasswords();
      offerPasswords(details, values, entries);
      return;
    }
    if (others.length === 0) {
      notify(`bulk.${action}.done`, values);
      return;
    }
    showResults(`bulk.${action}.some`, values, entries);
  }

  return { offer, show };
}

const firstPasswords = () => load(() => import("./first-passwords.js"));

/** @param {User[]} users */
async function givePasswords(users) {
  // If the module cannot be loaded, no password changes.
  const { givePassword } = await firstPasswords();
  return forEach(users, async (user) => ({ password: await givePassword(user) }));
}

/**
 * Changes each user. What `change` resolves to is part of the result if it is a password.
 * @param {User[]} users
 * @param {(user: User) => Promise<User | { password: string }>} change
 */
async function forEach(users, change) {
  /** @type {Result[]} */
  const results = [];
  for (const user of users) {
    /** @type {Result} */
    const result = { user_id: user.id, outcome: "done", problem: null };
    results.push(result);
    try {
      const changed = await change(user);
      if ("password" in changed) result.password = changed.password;
    } catch (error) {
      if (error instanceof SessionEnded) throw error;
      const isPassing = !(error instanceof Problem) || error.status === 503;
      result.outcome = isPassing ? "unavailable" : "refused";
      if (!isPassing) result.message = text(...errorMessage(error));
    }
  }
  return results;
}

/**
 * Whether the user is in the requested state, even if another request caused it.
 * @param {string} action
 * @param {Result} result
 */
const isSuccess = (action, { outcome }) =>
  outcome === "done" || outcome === "unchanged" || (action === "remove" && outcome === "not_found");

/**
 * The key of the text that explains why an action failed.
 * @param {Result} result
 */
function reasonKey({ outcome, problem }) {
  if (outcome === "unavailable") return "bulk.unavailable";
  if (outcome === "not_found") return "fault.gone";
  return partErrorKey(problem);
}

/**
 * @param {string} title
 * @param {import("../language.js").Values} values
 * @param {HTMLElement[]} entries
 */
function showResults(title, values, entries) {
  const dialog = make("results-dialog");
  setText(find("h2", dialog), title, values);
  find("ul", dialog).append(...entries);
  on(dialog, "close", () => dialog.close());
  open(dialog);
  find("h2", dialog).focus();
}
