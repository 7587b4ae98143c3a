// The actions on all selected users: confirmation, progress, and a result for each user.
import { call, Problem, SessionEnded } from "../api.js";
import { assignableRoles } from "../access.js";
import { confirm } from "../confirm/confirm.js";
import { entry, find, nameOf, notify } from "../dom.js";
import { errorMessage, loadErrorMessage, partErrorKey } from "../forms.js";
import { text } from "../language.js";
import { atOnce } from "../at-once.js";
import { givePassword, offerPasswords } from "./first-passwords.js";
import { showResults } from "./results.js";
import { sendInvitation, setStatus } from "./perform.js";
import { change, restore } from "./requests.js";

/** @import { BulkResult, Me, User } from "../../types/api.js" */
/** @import { Undo } from "./requests.js" */

/** @typedef {Pick<BulkResult, "user_id" | "outcome" | "problem"> & { message?: string, password?: string, undo?: Undo }} Result */

/**
 * Changes users, with the fields of the confirmation, and reports how many are done.
 * @typedef {(users: User[], fields: any, report: (done: number) => void) => Promise<Result[]>} Send
 */

/** The maximum number of users in one request. */
const MAX_USERS = 100;

/**
 * The actions by their names in the API: the key of the text of the button, and how they are sent.
 * @type {Record<string, { yes: string, send: Send, field?: "role", isMild?: boolean }>}
 */
const ACTIONS = {
  invite: { yes: "users.invite", isMild: true, send: each(sendInvitation) },
  password: { yes: "users.first_password", isMild: true, send: each(async (user) => ({ password: await givePassword(user) })) },
  role: {
    yes: "bulk.role",
    isMild: true,
    field: "role",
    send: each((user, fields) => change(user, "/permissions", { role: fields.role.value })),
  },
  reactivate: { yes: "users.reactivate", isMild: true, send: each((user) => setStatus(user, "active", "")) },
  force_logout: { yes: "users.force_logout", send: inParts("force_logout") },
  suspend: { yes: "users.suspend", send: inParts("suspend") },
  remove: { yes: "users.remove", send: inParts("remove") },
};

/**
 * Asks for confirmation, changes the users, and shows the result. Resolves to the ids of those for whom a retry may succeed, or to
 * `null` after a cancellation.
 * @param {string} action
 * @param {User[]} users
 * @param {Me} me
 * @param {() => Promise<boolean>} reload Reloads the list after the changes were undone.
 * @returns {Promise<string[] | null>}
 */
export async function changeAll(action, users, me, reload) {
  const { yes, send, field, isMild } = ACTIONS[action];
  const total = users.length;
  /** @type {Result[]} */
  let results = [];
  const isDone = await confirm({
    title: `bulk.${action}.title`,
    message: `bulk.${action}.text`,
    yes,
    values: { total },
    users,
    typed: action === "remove" ? String(total) : undefined,
    field,
    options: field && assignableRoles(me).map((role) => [role, `role.${role}`]),
    isMild,
    action: async (fields, say) => {
      results = await send(users, fields, (done) => say("bulk.progress", { done, total }));
    },
  });
  if (!isDone) return null;
  find("main h1").focus();
  const others = results.filter((result) => !isSuccess(action, result));
  const values = { total: total - others.length, all: total };
  const names = new Map(users.map((user) => [user.id, nameOf(user)]));
  const entries = others.map((other) => entry(names.get(other.user_id) ?? "", other.message || text(reasonKey(other))));
  // In the order of the list, since the requests end in any order.
  const details = users.flatMap((user) => {
    const password = results.find(({ user_id: id }) => id === user.id)?.password;
    return password ? [{ user, password }] : [];
  });
  if (details.length > 0) offerPasswords(details, values, entries);
  else if (others.length === 0) notify(`bulk.${action}.done`, values, undoOf(action, users, results, reload));
  else showResults(`bulk.${action}.some`, values, entries);
  return others.filter(({ outcome }) => outcome === "unavailable").map((result) => result.user_id);
}

/**
 * Returns a function that undoes the changes of users, or `undefined` if none of them can be undone.
 * @param {string} action
 * @param {User[]} users
 * @param {Result[]} results
 * @param {() => Promise<boolean>} reload
 */
function undoOf(action, users, results, reload) {
  /** @type {Map<string, Undo>} */
  const undos = new Map();
  for (const user of users) {
    const result = results.find(({ user_id: id }) => id === user.id);
    // Each change increases the version by one. If there was another one, the portal rejects this version.
    const wasSuspended = action === "suspend" && result?.outcome === "done";
    const undo = wasSuspended ? () => restore({ ...user, version: user.version + 1 }, user, "/status") : result?.undo;
    if (undo) undos.set(user.id, undo);
  }
  return undos.size > 0 ? () => undoAll(users, undos, reload) : undefined;
}

/**
 * Undoes changes, and shows the result.
 * @param {User[]} users
 * @param {Map<string, Undo>} undos
 * @param {() => Promise<boolean>} reload
 */
async function undoAll(users, undos, reload) {
  const stale = users.filter(({ id }) => !undos.has(id)).map((user) => entry(nameOf(user), text("fault.version_mismatch")));
  try {
    const results = await each(({ id }) => /** @type {Undo} */ (undos.get(id))())(users.filter(({ id }) => undos.has(id)), null, () => {});
    const others = results.filter(({ outcome }) => outcome !== "done");
    const names = new Map(users.map((user) => [user.id, nameOf(user)]));
    const entries = [...stale, ...others.map((other) => entry(names.get(other.user_id) ?? "", other.message || text(reasonKey(other))))];
    const values = { total: users.length - entries.length, all: users.length };
    if (entries.length === 0) notify("bulk.undo.done", values);
    else showResults("bulk.undo.some", values, entries);
  } catch (error) {
    if (error instanceof SessionEnded) return;
    notify(...loadErrorMessage(error));
  }
  await reload();
}

/**
 * Sends a request for each user. What `change` resolves to is part of the result if it is a password or undoes the change.
 * @param {(user: User, fields: any) => Promise<object>} change
 * @returns {Send}
 */
function each(change) {
  return async (users, fields, report) => {
    /** @type {Result[]} */
    const results = [];
    let refusal = "";
    await atOnce(users, async (user) => {
      /** @type {Result} */
      const result = { user_id: user.id, outcome: refusal ? "refused" : "done", problem: null, message: refusal };
      try {
        const { password, undo } = /** @type {Result} */ (refusal ? {} : await change(user, fields));
        Object.assign(result, { password, undo });
      } catch (error) {
        // The user does not want to be authenticated again, which concerns the others, too.
        const isUnconfirmed = error.code === "reauthentication_required";
        const isBegun = results.some(({ outcome }) => outcome === "done");
        if (error instanceof SessionEnded || (isUnconfirmed && !isBegun)) throw error;
        if (isUnconfirmed) refusal = text(...errorMessage(error));
        const isPassing = !(error instanceof Problem) || error.status === 503;
        result.outcome = isPassing ? "unavailable" : "refused";
        if (!isPassing) result.message = text(...errorMessage(error));
      }
      results.push(result);
      report(results.length);
    });
    return results;
  };
}

/**
 * Sends requests for many users each. An error of the first one leaves the form open for a retry.
 * @param {string} action
 * @returns {Send}
 */
function inParts(action) {
  return async (users, _fields, report) => {
    const ids = users.map(({ id }) => id);
    /** @type {Result[]} */
    const results = [];
    while (results.length < ids.length) {
      const part = ids.slice(results.length, results.length + MAX_USERS);
      try {
        results.push(...(await call("POST", "/v1/users/bulk", { body: { action, user_ids: part } })).results);
      } catch (error) {
        if (error instanceof SessionEnded || results.length === 0) throw error;
        /** @type {Result[]} */
        const rest = ids.slice(results.length).map((id) => ({ user_id: id, outcome: "unavailable", problem: null }));
        return [...results, ...rest];
      }
      if (ids.length > MAX_USERS) report(results.length);
    }
    return results;
  };
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
