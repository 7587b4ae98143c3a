// The export of the list of users.
import { USERS, USERS_MAIL } from "../columns.js";
import { exportList } from "../download.js";

/**
 * Saves the users that a query finds, when `button` was clicked.
 * @param {HTMLElement} button
 * @param {URLSearchParams} query
 * @param {boolean} hasMail
 */
export const exportUsers = (button, query, hasMail) =>
  exportList(button, "users", `/v1/users?${query}`, hasMail ? [...USERS, ...USERS_MAIL] : USERS);
