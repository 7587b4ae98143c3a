// Sign-in details for the user, shown once.
import { find, listen, make, on, open } from "../dom.js";
import { setText, text } from "../language.js";

/** @import { User } from "../../types/api.js" */

/**
 * Shows the sign-in details; resolves when the dialog is closed.
 * @param {object} details
 * @param {User} details.user
 * @param {string} details.name
 * @param {string} [details.password] Absent if it did not change.
 * @returns {Promise<void>}
 */
export function share({ user, name, password }) {
  const dialog = make("share-dialog");
  setText(find("#share-lead", dialog), "share.lead", { name });
  find("[data-once]", dialog).hidden = !password;
  const entries = [
    ["share.address", `${location.origin}/?partner=${encodeURIComponent(user.partner_id)}`],
    ["user.email", user.email],
    ...(password ? [["user.password", password]] : []),
  ];
  for (const [key, value] of entries) {
    const entry = make("share-entry");
    const button = find("button", entry);
    setText(find("dt", entry), key);
    find("dd span", entry).textContent = value;
    button.setAttribute("aria-label", text("share.copy_of", { what: text(key) }));
    listen(button, "click", () => copy(button, value, find("dd span", entry)));
    find(".share", dialog).append(entry);
  }
  const all = entries.map(([key, value]) => `${text(key)}: ${value}`).join("\n");
  on(dialog, "copy-all", ({ currentTarget }) => copy(currentTarget, all, find(".share", dialog)));
  on(dialog, "done", () => dialog.close());
  // One-time data: only the button "Done" closes the dialog.
  listen(dialog, "cancel", (event) => event.preventDefault());
  listen(dialog, "keydown", (event) => { if (event.key === "Escape") event.preventDefault(); });
  open(dialog);
  find("h2", dialog).focus();
  return new Promise((resolve) => listen(dialog, "close", () => resolve()));
}

/**
 * Copies a value, or selects the element that shows it if the browser does not allow copying.
 * @param {HTMLButtonElement} button
 * @param {string} value
 * @param {HTMLElement} shown
 */
async function copy(button, value, shown) {
  const label = find("span", button);
  try {
    await navigator.clipboard.writeText(value);
    setText(label, "share.copied");
    button.classList.add("done");
  } catch {
    setText(label, "share.copy_failed");
    getSelection()?.selectAllChildren(shown);
  }
  button.removeAttribute("aria-label");
}
