// The dialogs that add and edit a user.
import { call, Problem } from "../api.js";
import { assignableRoles, holds, isSelf, mayEdit, PERMISSIONS, ROLES } from "../access.js";
import { discardDraft, saveDraft } from "../drafts.js";
import { find, guard, listen, make, nameOf, open } from "../dom.js";
import { clearMessages, closed, markField, onSubmit, showError, showMessage } from "../forms.js";
import { hasText, languages, moment, setText, text } from "../language.js";
import { newPassword } from "../new-password/new-password.js";
import { mailText, pendingText } from "../pending.js";
import { postOnce } from "../post-once.js";
import { ifMatch, path, restore } from "../users/requests.js";

/** @import { Me, User } from "../../types/api.js" */
/** @import { Draft } from "../drafts.js" */
/** @import { Undo } from "../users/requests.js" */

/** @typedef {() => { role: string, permissions: string[] }} AccessFields The role and the permissions in the form. */

const PERSON = ["first_name", "last_name", "email"];

/** The fields that a draft keeps, in addition to role and permissions. */
const DRAFTED = [...PERSON, "language", "first"];

/**
 * Creates the dialog with the parts that adding and editing share.
 * @param {Me} me
 * @param {string} language The language in which the portal writes to the user.
 * @param {string} title
 * @param {import("../language.js").Values} [values]
 */
function dialogFor(me, language, title, values) {
  const dialog = make("user-dialog");
  const form = find("form", dialog);
  setText(find("h2", dialog), title, values);
  for (const button of dialog.querySelectorAll('[data-do="close"]')) listen(button, "click", () => dialog.close());
  const fields = me.mail ? [...PERSON, "language"] : PERSON;
  find("[data-language]", dialog).hidden = !me.mail;
  for (const [code, name] of languages) form.elements.language.add(new Option(name, code));
  form.elements.language.value = language;
  /** @returns {Record<string, string>} */
  const person = () => Object.fromEntries(fields.map((name) => [name, form.elements[name].value.trim()]));
  const password = newPassword(dialog, "password", { canGenerate: true });
  /** @param {string} name */
  const section = (name) => find(`[data-section="${name}"]`, dialog);
  return { dialog, form, person, password, section };
}

/**
 * Fills the fields for the role and for the permissions that it can have and `me` can give.
 * @param {User} me
 * @param {any} form
 * @param {string} role Empty if the user has to choose one.
 * @param {string[]} permissions
 */
function access(me, form, role, permissions) {
  const select = form.elements.role;
  const list = find("[data-permissions]", form);
  if (!role) select.add(new Option(text("role.choose"), ""));
  for (const name of assignableRoles(me)) select.add(new Option(text(`role.${name}`), name));
  for (const permission of PERMISSIONS) {
    const label = make("permission");
    const help = find("small", label);
    const box = find("input", label);
    box.value = permission;
    setText(find("span > span", label), `permission.${permission}`);
    if (!holds(me, permission)) {
      box.disabled = true;
      setText(help, "permission.not_held");
    } else if (hasText(`permission.${permission}.help`)) {
      setText(help, `permission.${permission}.help`);
    }
    list.append(label);
  }
  const boxes = [...list.querySelectorAll("input")];
  /**
   * @param {string} role
   * @param {string[]} permissions
   */
  const set = (role, permissions) => {
    select.value = role;
    setText(find("#role-help", form), role ? `role.${role}.help` : "role.choose.help");
    find('[data-field="permissions"]', form).hidden = !role;
    for (const box of boxes) {
      const isPossible = role !== "" && ROLES[role].ceiling.includes(box.value);
      box.closest("label").hidden = !isPossible;
      box.checked = isPossible && !box.disabled && permissions.includes(box.value);
    }
  };
  listen(select, "change", () => set(select.value, ROLES[select.value]?.preset ?? []));
  set(role, permissions);
  return {
    set,
    value: () => ({ role: select.value, permissions: boxes.filter((box) => box.checked).map((box) => box.value) }),
  };
}

/**
 * Asks before what the user typed is discarded by Escape, by the browser's button Back, or with the page. Keeps it as a draft, unless
 * there is no owner.
 * @param {HTMLDialogElement} dialog
 * @param {any} form
 * @param {Pick<Draft, "by" | "user"> | null} owner
 * @param {AccessFields} access
 */
function keepTyped(dialog, form, owner, access) {
  const typed = () => JSON.stringify([...new FormData(form)]);
  const first = typed();
  const isAtRisk = () => typed() !== first && form.getAttribute("aria-busy") !== "true";
  guard(dialog, isAtRisk);
  listen(dialog, "cancel", (event) => {
    if (!isAtRisk()) return;
    event.preventDefault();
    const discard = () => {
      discardDraft();
      dialog.close();
    };
    showMessage(form, "form.unsaved", { tone: "info", action: { key: "form.discard", do: discard } });
  });
  if (!owner) return;
  // A change of the role has changed the permissions when the form gets the event "change".
  for (const type of ["input", "change"]) {
    listen(form, type, () => {
      const fields = Object.fromEntries(DRAFTED.map((name) => [name, form.elements[name].value]));
      saveDraft({ ...owner, fields, ...access() });
    });
  }
  // The end of the session removes the dialog without closing it.
  listen(dialog, "close", discardDraft);
}

/**
 * Fills a form with a draft.
 * @param {any} form
 * @param {Draft} draft
 * @param {(role: string, permissions: string[]) => void} [setAccess]
 */
function restoreDraft(form, { fields, role, permissions }, setAccess) {
  for (const name of DRAFTED) if (!form.elements[name].disabled) form.elements[name].value = fields[name];
  setAccess?.(role, permissions);
  showMessage(form, "form.restored", { tone: "info" });
}

/**
 * @typedef {{ user: User, password?: string, mustChange?: boolean }} Added The user, and the password if it is to be handed over.
 */

/**
 * Resolves to the user and the password if a user was added.
 * @param {Me} me
 * @param {Draft} [draft]
 * @returns {Promise<Added | undefined>}
 */
export function addUser(me, draft) {
  const { dialog, form, person, password, section } = dialogFor(me, me.language, "users.add");
  const fields = access(me, form, "", []);
  find("[data-wants-password]", section("password")).hidden = true;
  find("[data-first]", dialog).hidden = !me.mail;
  const isInvited = () => me.mail && form.elements.first.value === "invite";
  const offerPassword = () => {
    find("[data-password-fields]", dialog).hidden = password.input.disabled = isInvited();
    if (!isInvited() && !password.input.value) password.fill();
  };
  listen(find("[data-first]", dialog), "change", offerPassword);
  /** @type {Added | undefined} */
  let added;
  const add = postOnce("/v1/users");
  onSubmit(form, async () => {
    const first = isInvited() ? { invite: true } : { password: password.input.value, must_change: form.elements.must_change.checked };
    const user = await add({ ...person(), ...fields.value(), ...first });
    added = { user, password: first.password, mustChange: first.must_change };
    dialog.close();
  });
  open(dialog);
  offerPassword();
  keepTyped(dialog, form, { by: me.id, user: null }, fields.value);
  if (draft) {
    restoreDraft(form, draft, fields.set);
    offerPassword();
  }
  form.elements.first_name.focus();
  return closed(form).then(() => added);
}

/**
 * @typedef {Added & { email?: string, undo?: Undo }} Saved The user, the sign-in details that changed, and a function that undoes the
 * change if it is one of the access only.
 */

/**
 * Resolves to the saved user, or to `undefined` if nothing was saved.
 * @param {Me} me
 * @param {User} user
 * @param {object} [options]
 * @param {"person" | "password"} [options.part] What to edit of the signed-in user.
 * @param {Draft} [options.draft] For another user.
 * @returns {Promise<Saved | undefined>}
 */
export function editUser(me, user, { part, draft } = {}) {
  const isOwn = isSelf(me, user);
  const isPassword = part === "password";
  const may = mayEdit(me, user);
  const name = nameOf(user);
  const own = isPassword ? "account.change_password" : "account.profile";
  const { dialog, form, person, password, section } = dialogFor(me, user.language, isOwn ? own : "users.edit_of", { name });
  const fields = form.elements;
  /** @type {Saved | undefined} */
  let saved;
  /** @type {Record<string, any> & User} */
  let base = user;

  fields.first_name.disabled = fields.last_name.disabled = !may.name;
  fields.email.disabled = !may.email;
  fields.language.disabled = !may.name;
  section("access").hidden = !may.access;
  section("person").hidden = isPassword;
  section("password").hidden = !may.password || part === "person";
  fields.wants_password.checked = isPassword;
  find("[data-wants-password]", dialog).hidden = isOwn;
  find("[data-current]", dialog).hidden = !isOwn;
  find("[data-must-change]", dialog).hidden = isOwn;
  setText(find("[data-wants-password] small", dialog), "password.set_help", { name });
  for (const name of PERSON) fields[name].value = base[name] ?? "";
  showMailStates();
  /** The own email that was requested here, which the user stays without until it is confirmed. */
  let requested = "";
  const accessFields = may.access ? access(me, form, user.role, user.permissions) : null;

  const offerPassword = () => {
    const wants = fields.wants_password.checked;
    find("[data-password-fields]", dialog).hidden = !wants;
    fields.password.disabled = fields.current_password.disabled = !wants;
    fields.current_password.disabled ||= !isOwn;
    if (wants && !isOwn && !fields.password.value) password.fill();
  };
  listen(fields.wants_password, "change", offerPassword);
  offerPassword();

  /** @returns {Record<string, string>} */
  const changedPerson = () => Object.fromEntries(Object.entries(person()).filter(([name, value]) =>
    value !== (base[name] ?? "") && !fields[name].disabled && !(name === "email" && value === requested)));
  const changedAccess = () => {
    if (!accessFields) return null;
    const { role, permissions } = accessFields.value();
    const isSame = role === base.role && permissions.join() === PERMISSIONS.filter((p) => base.permissions.includes(p)).join();
    return isSame ? null : { role, permissions };
  };

  /**
   * @param {string} method
   * @param {string} part
   * @param {object} body
   */
  const change = (method, part, body) =>
    call(method, path(user, part), { body, headers: ifMatch(base) });
  /**
   * @param {User} changed
   * @param {Omit<Saved, "user">} [details]
   */
  const keep = (changed, details) => {
    base = changed;
    saved = { ...saved, undo: undefined, ...details, user: changed };
  };

  async function savePassword() {
    if (!fields.wants_password.checked) return;
    const value = fields.password.value;
    const more = isOwn ? { current_password: fields.current_password.value } : { must_change: fields.must_change.checked };
    await change("PUT", "/password", { password: value, ...more });
    // The response has no body; each change increases the version by one. A new password voids an email that is not confirmed.
    keep({ ...base, version: base.version + 1, pending_email: null }, isOwn ? {} : { password: value, mustChange: fields.must_change.checked });
    fields.wants_password.checked = false;
    offerPassword();
  }

  onSubmit(form, async () => {
    // Before one's own email, whose confirmation a new password voids.
    if (isOwn) await savePassword();
    const details = changedPerson();
    if (Object.keys(details).length > 0) {
      keep(await change("PATCH", "", details), "email" in details ? { email: details.email } : {});
      if (base.pending_email) requested = details.email ?? requested;
      showMailStates();
    }
    const wanted = changedAccess();
    if (wanted) {
      const [before, isFirst] = [base, !saved];
      const changed = await change("PUT", "/permissions", wanted);
      keep(changed, isFirst ? { undo: () => restore(changed, before, "/permissions") } : {});
    }
    if (!isOwn) await savePassword();
    dialog.close();
  }, {
    onError: (error) => {
      if (!(error instanceof Problem)) return false;
      if (error.code === "version_mismatch" && form.isConnected) {
        showMessage(form, "edit.stale", { action: { key: "edit.load", do: load } });
        return true;
      }
      showError(form, error, { isPartlySaved: saved !== undefined });
      return true;
    },
  });

  /** Shows the email that is not confirmed, whether mail was returned, and the invitation or initial password. */
  function showMailStates() {
    if (!me.mail) return;
    const [email, pending] = [find("#user-email-help", dialog), find("[data-pending]", dialog)];
    const { pending_email: waiting } = base;
    email.textContent = waiting ? text("email_change.waiting", { email: waiting }) : hintOf(base) || (isOwn && may.email ? text("email_change.help") : "");
    email.hidden = !email.textContent;
    pending.textContent = pendingText(base, moment);
    pending.hidden = !pending.textContent;
  }

  /** Loads the latest version into the fields that were not edited. */
  async function load() {
    /** @type {Record<string, any> & User} */
    let latest;
    try {
      latest = await call("GET", path(user));
    } catch (error) {
      showError(form, error);
      return;
    }
    clearMessages(form);
    const typed = changedPerson();
    const typedAccess = changedAccess();
    if (!("language" in typed)) fields.language.value = latest.language;
    for (const name of PERSON) {
      if (!(name in typed)) fields[name].value = latest[name] ?? "";
      else if (latest[name] !== base[name] && (latest[name] ?? "") !== typed[name]) markField(form, name, "edit.now", { value: latest[name] ?? text("event.none") });
    }
    if (accessFields && !typedAccess && ROLES[latest.role]) accessFields.set(latest.role, latest.permissions);
    base = latest;
    showMailStates();
    showMessage(form, "edit.loaded", { tone: "info" });
  }

  open(dialog);
  keepTyped(dialog, form, isOwn ? null : { by: me.id, user: user.id }, accessFields?.value ?? (() => user));
  if (draft) restoreDraft(form, draft, accessFields?.set);
  if (isPassword) fields.current_password.focus();
  else if (may.name) fields.first_name.focus();
  else fields.role.focus();
  return closed(form).then(() => saved);
}

/**
 * What the mail service reported about the email, and what helps. Empty if it reported no problem.
 * @param {User} user
 */
const hintOf = (user) => mailText(user) && `${mailText(user)} ${text(`mail_state.${user.mail_state}_hint`)}`;
