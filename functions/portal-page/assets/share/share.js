// Sign-in details for the user, shown once.
import { copy } from "../copy.js";
import { find, guard, keepOpen, listen, make, on, open } from "../dom.js";
import { setText, text } from "../language.js";

/** @import { User } from "../../types/api.js" */

/**
 * Shows the sign-in details; resolves when the dialog is closed.
 * @param {object} details
 * @param {User} details.user
 * @param {string} details.name
 * @param {string} details.partner The partner's name.
 * @param {string} [details.password] Absent if it did not change.
 * @param {boolean} [details.mustChange] Whether the user must replace the password within 7 days.
 * @returns {Promise<void>}
 */
export function share({ user, name, partner, password, mustChange }) {
  const dialog = make("share-dialog");
  setText(find("#share-lead", dialog), "share.lead", { name, partner });
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
  const all = [
    text("share.greeting", { name: user.first_name, partner }),
    ...entries.map(([key, value]) => text("event.fact", { what: text(key), value })),
    ...(mustChange ? [text("share.change")] : []),
  ].join("\n");
  on(dialog, "copy-all", ({ currentTarget }) => copy(currentTarget, all, find(".share", dialog)));
  on(dialog, "done", () => dialog.close());
  keepOpen(dialog);
  guard(dialog, () => Boolean(password));
  open(dialog);
  find("h2", dialog).focus();
  return new Promise((resolve) => listen(dialog, "close", () => resolve()));
}
