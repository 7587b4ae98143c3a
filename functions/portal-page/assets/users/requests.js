// Requests that change a user, and how to undo them.
import { call } from "../api.js";

/** @import { User } from "../../types/api.js" */

/** @typedef {() => Promise<User>} Undo Undoes a change, unless the user was changed since. */

/** The number of users in each request for all users that match. */
export const LARGE_LIMIT = 100;

/**
 * @param {Pick<User, "id">} user
 * @param {string} [part]
 */
export const path = ({ id }, part = "") => `/v1/users/${encodeURIComponent(id)}${part}`;

/**
 * The header of a request that changes only this version of the user.
 * @param {Pick<User, "version">} user
 */
export const ifMatch = ({ version }) => ({ "if-match": `"${version}"` });

/**
 * Gives a user the status or the access before a change, unless the user was changed since.
 * @param {User} changed
 * @param {User} before
 * @param {"/status" | "/permissions"} part
 * @returns {Promise<User>}
 */
export function restore(changed, { status, role, permissions }, part) {
  const body = part === "/status" ? { status } : { role, permissions };
  return call("PUT", path(changed, part), { body, headers: ifMatch(changed) });
}

/**
 * Changes the status or the access of a user. The result has no `undo` if the user was no longer as the page shows, because it would
 * undo the change of another user, too.
 * @param {User} user
 * @param {"/status" | "/permissions"} part
 * @param {object} body
 * @returns {Promise<{ undo?: Undo }>}
 */
export async function change(user, part, body) {
  try {
    const changed = await call("PUT", path(user, part), { body, headers: ifMatch(user) });
    return { undo: () => restore(changed, user, part) };
  } catch (error) {
    if (error.code !== "version_mismatch") throw error;
  }
  await call("PUT", path(user, part), { body });
  return {};
}
