// The actions on all selected users: confirmation, progress, and a result for each user.
import { call, Problem, SessionEnded } from "../api.js";
import { assignableRoles } from "../access.js";
import { confirm } from "../confirm/confirm.js";
import { entry, find, nameOf, notify } from "../dom.js";
import { errorMessage, partErrorKey } from "../forms.js";
import { text } from "../language.js";
import { atOnce } from "../at-once.js";
import { givePassword, offerPasswords } from "./first-passwords.js";
import { showResults } from "./results.js";
import { path, sendInvitation, setStatus } from "./user-actions.js";

/** @import { BulkResult, Me, User } from "../../types/api.js" */

/** @typedef {Pick<BulkResult, "user_id" | "outcome" | "problem"> & { message?: string, password?: string }} Result */

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
    send: each((user, fields) => call("PUT", path(user, "/permissions"), { body: { role: fields.role.value } })),
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
 * @returns {Promise<string[] | null>}
 */
export async function changeAll(action, users, me) {
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
  const details = results.flatMap(({ user_id: id, password }) => {
    const user = users.find((one) => one.id === id);
    return user && password ? [{ user, password }] : [];
  });
  if (details.length > 0) offerPasswords(details, values, entries);
  else if (others.length === 0) notify(`bulk.${action}.done`, values);
  else showResults(`bulk.${action}.some`, values, entries);
  return others.filter(({ outcome }) => outcome === "unavailable").map((result) => result.user_id);
}

/**
 * Sends a request for each user. What `change` resolves to is part of the result if it is a password.
 * @param {(user: User, fields: any) => Promise<User | { password: string }>} change
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
        const changed = refusal ? user : await change(user, fields);
        if ("password" in changed) result.password = changed.password;
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
