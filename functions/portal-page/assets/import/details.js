// The sign-in details of several users, which are saved as a file once.
import { find, guard, on } from "../dom.js";
import { save, toTable } from "../download.js";
import { clearMessages, showMessage } from "../forms.js";
import { text } from "../language.js";

/** @import { User } from "../../types/api.js" */

/** The keys of the headings, which an import reads too. */
export const COLUMNS = ["user.first_name", "user.last_name", "user.email", "user.role"];

/**
 * Shows the page, made from the template "imported", in the dialog. The user has to save the passwords or to confirm that the
 * dialog is closed without them.
 * @param {HTMLDialogElement} dialog
 * @param {HTMLElement} page
 * @param {{ user: User, password: string }[]} details
 */
export function showDetails(dialog, page, details) {
  let isSaved = details.length === 0;
  guard(dialog, () => !isSaved);
  find("[data-once]", page).hidden = find('[data-do="download"]', page).hidden = isSaved;
  on(page, "download", () => {
    save("sign-in-details", toFile(details));
    isSaved = true;
    clearMessages(dialog);
  });
  on(page, "done", () => {
    if (isSaved) dialog.close();
    else showMessage(dialog, "import.not_saved", { action: { key: "import.leave", do: () => dialog.close() } });
  });
  dialog.replaceChildren(...page.children);
  find("h2", dialog).focus();
}

/** @param {{ user: User, password: string }[]} details */
const toFile = (details) => toTable([
  [...COLUMNS, "user.password", "share.address"].map((key) => text(key)),
  ...details.map(({ user, password }) => [
    user.first_name, user.last_name ?? "", user.email, text(`role.${user.role}`), password,
    `${location.origin}/?partner=${encodeURIComponent(user.partner_id)}`,
  ]),
]);
