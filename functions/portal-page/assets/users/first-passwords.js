// New first passwords for several users who have not chosen a password.
import { call } from "../api.js";
import { find, keepOpen, make, open } from "../dom.js";
import { setText } from "../language.js";
import { showDetails } from "../import/details.js";
import { generate } from "../new-password/new-password.js";
import { path } from "./requests.js";

/** @import { User } from "../../types/api.js" */

/**
 * Sets a generated password, and resolves to it.
 * @param {User} user
 */
export async function givePassword(user) {
  const password = generate();
  await call("PUT", path(user, "/password"), { body: { password } });
  return password;
}

/**
 * Offers the passwords as a file, and shows the users who got none.
 * @param {{ user: User, password: string }[]} details
 * @param {import("../language.js").Values} values
 * @param {HTMLElement[]} others
 */
export function offerPasswords(details, values, others) {
  const [dialog, page] = [document.createElement("dialog"), make("imported")];
  dialog.className = "narrow";
  dialog.setAttribute("aria-labelledby", "dialog-title");
  setText(find("h2", page), "bulk.password.some", values);
  find("[data-invited]", page).hidden = true;
  find("[data-others]", page).hidden = others.length === 0;
  setText(find("[data-others] p", page), "results.lead");
  find("ul", page).append(...others);
  keepOpen(dialog);
  open(dialog);
  showDetails(dialog, page, details);
}
