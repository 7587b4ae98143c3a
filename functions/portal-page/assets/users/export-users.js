// The export of the list of users.
import { USERS } from "../columns.js";
import { exportList } from "../download.js";

/**
 * Saves the users that a query finds, when `button` was clicked.
 * @param {HTMLElement} button
 * @param {URLSearchParams} query
 */
export const exportUsers = (button, query) => exportList(button, "users", `/v1/users?${query}`, USERS);
