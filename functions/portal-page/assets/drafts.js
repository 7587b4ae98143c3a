// What a user has typed into a form about another user, for the case that the session ends or the page is reloaded. It is kept in
// this tab until the form is closed. It never contains a password.

/**
 * @typedef {object} Draft
 * @property {string} by The id of the user who typed it. No other user gets it.
 * @property {string | null} user The id of the user to edit, or `null` for a new user.
 * @property {Record<string, string>} fields
 * @property {string} role
 * @property {string[]} permissions
 */

/** The key in session storage. */
const KEY = "draft";

/** @param {Draft} draft */
export const saveDraft = (draft) => sessionStorage.setItem(KEY, JSON.stringify(draft));

export const discardDraft = () => sessionStorage.removeItem(KEY);

/**
 * Returns the draft, if there is one.
 * @returns {Draft | null}
 */
export const storedDraft = () => JSON.parse(sessionStorage.getItem(KEY) ?? "null");

/**
 * Discards the draft of any other user than this one, who has signed in.
 * @param {string} id
 */
export function discardOtherDraft(id) {
  if (storedDraft()?.by !== id) discardDraft();
}
