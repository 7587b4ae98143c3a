// Restores a removed user, with an invitation or a first password.
import { find, listen, make, nameOf, notify, open } from "../dom.js";
import { closed, markField, onSubmit } from "../forms.js";
import { setText } from "../language.js";
import { newPassword } from "../new-password/new-password.js";
import { postOnce } from "../post-once.js";
import { share } from "../share/share.js";
import { invitation } from "../users/user-actions.js";

/** @import { User } from "../../types/api.js" */

/** @typedef {Pick<User, "id" | "first_name" | "last_name" | "email" | "status">} Removed */

/**
 * Asks how the user is to sign in, restores the user, and shows what is to be handed over.
 * @param {import("../portal/portal.js").Frame} frame
 * @param {Removed} user
 * @param {() => Promise<void>} reload Reloads the list after the user was restored, here or in the meantime.
 */
export async function restoreUser(frame, user, reload) {
  const [me, name] = [frame.me(), nameOf(user)];
  const mayInvite = me.mail && user.status === "active";
  const dialog = make("restore-dialog");
  const form = find("form", dialog);
  setText(find("h2", dialog), "restore.title", { name });
  setText(find("#restore-text", dialog), "restore.text", { name });
  form.elements.email.value = user.email;
  find("[data-suspended]", dialog).hidden = !me.mail || mayInvite;
  find("[data-first]", dialog).hidden = !mayInvite;
  const password = newPassword(dialog, "password", { canGenerate: true });
  const isInvited = () => mayInvite && form.elements.first.value === "invite";
  const offerPassword = () => {
    find("[data-password-fields]", dialog).hidden = password.input.disabled = isInvited();
    if (!isInvited() && !password.input.value) password.fill();
  };
  listen(find("[data-first]", dialog), "change", offerPassword);
  for (const button of dialog.querySelectorAll('[data-do="close"]')) listen(button, "click", () => dialog.close());
  /** @type {{ user: User, password?: string } | undefined} */
  let restored;
  let isGone = false;
  const restore = postOnce(`/v1/removed-users/${encodeURIComponent(user.id)}/restore`);
  onSubmit(form, async () => {
    const body = isInvited() ? { invite: true } : { password: password.input.value };
    restored = { user: await restore(body), password: body.password };
    dialog.close();
  }, {
    onError: (error) => {
      isGone = error.status === 404;
      if (isGone) dialog.close();
      const mustHavePassword = error.code === "cannot_be_invited" && markField(form, "invite", "fault.cannot_be_invited");
      if (mustHavePassword) form.elements.first[0].focus();
      return isGone || mustHavePassword;
    },
  });
  open(dialog);
  offerPassword();
  (mayInvite ? form.elements.first[0] : password.input).focus();
  await closed(form);
  if (!restored && !isGone) return;
  if (restored?.password) await share({ ...restored, name, partner: me.partner.name, mustChange: true });
  await reload();
  if (restored) notifyRestored(frame, restored, name);
  else notify("restore.gone", { name });
}

/**
 * Shows that the user is restored, with a button that opens the page of the user.
 * @param {import("../portal/portal.js").Frame} frame
 * @param {{ user: User, password?: string }} restored
 * @param {string} name
 */
function notifyRestored(frame, { user, password }, name) {
  const values = password ? { name } : { name, ...invitation(user) };
  const show = () => frame.go(`/?view=user&id=${encodeURIComponent(user.id)}`);
  notify(password ? "restore.done" : "restore.invited", values, show, "restore.show");
}
