// The user's own passkeys: adding, renaming and removing one.
import { call } from "../api.js";
import { find, make, on, open } from "../dom.js";
import { closed, onSubmit, showError, showMessage } from "../forms.js";
import { moment, setText, text } from "../language.js";
import { createPasskey } from "../sign-in/passkeys.js";
import { confirm } from "../confirm/confirm.js";
import { keepCodes } from "./recovery-codes.js";

/** @import { Passkey } from "../../types/api.js" */

/**
 * Asks for the name of a passkey. Resolves to whether `action` succeeded with it.
 * @param {string} title The key of a text, as is `yes`.
 * @param {string} yes
 * @param {string} name
 * @param {(name: string, form: HTMLFormElement) => Promise<boolean>} action Resolves to whether the dialog is done.
 */
function askForName(title, yes, name, action) {
  const dialog = make("passkey-dialog");
  const form = find("form", dialog);
  const input = form.elements.namedItem("name");
  setText(find("h2", dialog), title);
  setText(find("footer .primary", dialog), yes);
  find("[data-lead]", dialog).hidden = name !== "";
  input.value = name;
  let isDone = false;
  for (const close of ["close", "cancel"]) on(dialog, close, () => dialog.close());
  onSubmit(form, async () => {
    isDone = await action(input.value.trim(), form);
    if (isDone) dialog.close();
  });
  open(dialog);
  input.focus();
  return closed(form).then(() => isDone);
}

/**
 * Adds a passkey, and shows the recovery codes that come with the first factor. Resolves to whether it was added.
 * @param {string} email The user's email.
 */
export const addPasskey = (email) => askForName("passkey.add_title", "passkey.continue", "", async (name, form) => {
  const options = await call("POST", "/v1/me/passkeys/options");
  let credential;
  try {
    credential = await createPasskey(options);
  } catch (error) {
    if (error.name !== "InvalidStateError") throw error;
    showMessage(form, "passkey.known");
    return false;
  }
  if (!credential) {
    showMessage(form, "passkey.cancelled", { tone: "info" });
    return false;
  }
  const { recovery_codes: codes } = await call("POST", "/v1/me/passkeys", { body: { name, credential } });
  if (codes) await keepCodes(codes, email);
  return true;
});

/**
 * The entry of a passkey in the list of factors.
 * @param {Passkey} passkey
 * @param {{ isLast: boolean, changed: (notice: string) => Promise<void> }} options Whether it is the last factor, which is required,
 * and what to do after a change.
 */
export function passkeyEntry({ id, name, added_at: added, last_used_at: used }, { isLast, changed }) {
  const entry = make("passkey-entry");
  const path = `/v1/me/passkeys/${encodeURIComponent(id)}`;
  entry.dataset.passkey = "";
  find("b", entry).textContent = text("passkey.of", { name });
  setText(find(".help", entry), used ? "passkey.used" : "app.added", { when: moment(used ?? added) });
  const [rename, remove] = [find('[data-do="rename"]', entry), find('[data-do="remove"]', entry)];
  rename.setAttribute("aria-label", text("passkey.rename_of", { name }));
  remove.setAttribute("aria-label", text("passkey.remove_of", { name }));
  remove.hidden = isLast;
  on(entry, "rename", async () => {
    const isDone = await askForName("passkey.rename_title", "save", name, async (name) => {
      await call("PATCH", path, { body: { name } });
      return true;
    });
    if (isDone) await changed("passkey.renamed");
  });
  on(entry, "remove", async () => {
    try {
      const isDone = await confirm({
        title: "passkey.remove_title",
        message: "passkey.remove_text",
        yes: "app.remove",
        values: { name },
        action: () => call("DELETE", path),
      });
      if (isDone) await changed("passkey.removed");
    } catch (error) {
      showError(entry, error);
    }
  });
  return entry;
}
