// The result of an action on many users, if it failed for some of them.
import { find, make, on, open } from "../dom.js";
import { setText } from "../language.js";

/**
 * Shows the users whose change failed, with the reasons.
 * @param {string} title
 * @param {import("../language.js").Values} values
 * @param {HTMLElement[]} entries
 */
export function showResults(title, values, entries) {
  const dialog = make("results-dialog");
  setText(find("h2", dialog), title, values);
  find("ul", dialog).append(...entries);
  on(dialog, "close", () => dialog.close());
  open(dialog);
  find("h2", dialog).focus();
}
