// Adds and edits a user.
import { call, Problem } from "../api.js";
import { holds, isOneself, mayDo, PERMISSIONS, ROLES, rolesBelow } from "../access.js";
import { find, make, nameOf, open } from "../dom.js";
import { clear, closed, fault, mark, onSubmit, tell } from "../forms.js";
import { has, say, text } from "../language.js";
import { newPassword } from "../new-password/new-password.js";

const PERSON = ["first_name", "last_name", "email"];

/** What the two dialogs have in common. */
function dialogFor({ title, values }) {
  const dialog = make("user-dialog");
  const form = find("form", dialog);
  say(find("h2", dialog), title, values);
  for (const button of dialog.querySelectorAll('[data-do="close"]')) button.addEventListener("click", () => dialog.close());
  const person = () => Object.fromEntries(PERSON.map((name) => [name, form.elements[name].value.trim()]));
  const password = newPassword(dialog, "password", () => {
    const { first_name, last_name, email } = person();
    return { email, names: [first_name, last_name] };
  }, { canGenerate: true });
  for (const name of PERSON) form.elements[name].addEventListener("input", password.update);
  return { dialog, form, person, password, section: (name) => find(`[data-section="${name}"]`, dialog) };
}

/** The role, and the permissions that it can have and `me` can give. */
function access(me, form, role, permissions) {
  const select = form.elements.role;
  const list = find("[data-permissions]", form);
  for (const name of rolesBelow(me)) select.add(new Option(text(`role.${name}`), name));
  for (const permission of PERMISSIONS) {
    const label = make("permission");
    const [words, help] = [find("span > span", label), find("small", label)];
    const box = find("input", label);
    box.value = permission;
    say(words, `permission.${permission}`);
    if (!holds(me, permission)) {
      box.disabled = true;
      say(help, "permission.not_held");
    } else if (has(`permission.${permission}.help`)) {
      say(help, `permission.${permission}.help`);
    }
    list.append(label);
  }
  const boxes = [...list.querySelectorAll("input")];
  const set = (role, permissions) => {
    select.value = role;
    say(find("#role-help", form), `role.${role}.help`);
    for (const box of boxes) {
      const isPossible = ROLES[role].ceiling.includes(box.value);
      box.closest("label").hidden = !isPossible;
      box.checked = isPossible && !box.disabled && permissions.includes(box.value);
    }
  };
  select.addEventListener("change", () => set(select.value, ROLES[select.value].preset));
  set(role, permissions);
  return {
    set,
    value: () => ({ role: select.value, permissions: boxes.filter((box) => box.checked).map((box) => box.value) }),
  };
}

/** Resolves to `{user, password}` once somebody was added, else to nothing. */
export function addUser(me) {
  const { dialog, form, person, password, section } = dialogFor({ title: "add.title" });
  const role = rolesBelow(me)[0];
  const chosen = access(me, form, role, ROLES[role].preset);
  find("[data-wants-password]", section("password")).hidden = true;
  let added;
  let sent = {};
  onSubmit(form, async () => {
    const body = { ...person(), ...chosen.value(), password: password.input.value, must_change: form.elements.must_change.checked };
    // After a fault nobody knows whether it was done: the same again has the same key, so it is done once.
    const content = JSON.stringify(body);
    if (sent.content !== content) sent = { content, key: crypto.randomUUID() };
    const user = await call("POST", "/v1/users", { body, headers: { "idempotency-key": sent.key } });
    added = { user, password: body.password };
    dialog.close();
  });
  open(dialog);
  password.fill();
  form.elements.first_name.focus();
  return closed(form).then(() => added);
}

/** Resolves to `{user, password?, email?}`, saying what changed, once something was saved, else to nothing. */
export function editUser(me, user) {
  const isOwn = isOneself(me, user);
  const may = mayDo(me, user);
  const { dialog, form, person, password, section } = dialogFor({
    title: isOwn ? "edit.own_title" : "edit.title",
    values: { name: nameOf(user) },
  });
  const fields = form.elements;
  let saved;
  let base = user;

  fields.first_name.disabled = fields.last_name.disabled = !may.name;
  fields.email.disabled = !may.email;
  section("access").hidden = !may.access;
  section("password").hidden = !may.password;
  find("[data-current]", dialog).hidden = !isOwn;
  find("[data-must-change]", dialog).hidden = isOwn;
  say(find("[data-wants-password] small", dialog), isOwn ? "password.set_own_help" : "password.set_help", { name: nameOf(user) });
  for (const name of PERSON) fields[name].value = user[name];
  const chosen = may.access ? access(me, form, user.role, user.permissions) : null;

  const offerPassword = () => {
    const wants = fields.wants_password.checked;
    find("[data-password-fields]", dialog).hidden = !wants;
    fields.password.disabled = fields.current_password.disabled = !wants;
    fields.current_password.disabled ||= !isOwn;
    if (wants && !isOwn && !fields.password.value) password.fill();
  };
  fields.wants_password.addEventListener("change", offerPassword);
  offerPassword();

  const changedPerson = () => Object.fromEntries(Object.entries(person()).filter(([name, value]) =>
    value !== base[name] && !fields[name].disabled));
  const changedAccess = () => {
    if (!chosen) return null;
    const { role, permissions } = chosen.value();
    const isSame = role === base.role && permissions.join() === PERMISSIONS.filter((p) => base.permissions.includes(p)).join();
    return isSame ? null : { role, permissions };
  };

  const path = `/v1/users/${encodeURIComponent(user.id)}`;
  const change = (method, part, body) =>
    call(method, path + part, { body, headers: { "if-match": `"${base.version}"` } });
  const keep = (changed, what) => {
    base = changed;
    saved = { ...saved, ...what, user: changed };
  };

  onSubmit(form, async () => {
    const details = changedPerson();
    if (Object.keys(details).length > 0) {
      keep(await change("PATCH", "", details), "email" in details ? { email: details.email } : {});
    }
    const wanted = changedAccess();
    if (wanted) keep(await change("PUT", "/permissions", wanted), {});
    if (fields.wants_password.checked) {
      const value = fields.password.value;
      const more = isOwn ? { current_password: fields.current_password.value } : { must_change: fields.must_change.checked };
      await change("PUT", "/password", { password: value, ...more });
      // The answer is empty; a change adds one to the version.
      keep({ ...base, version: base.version + 1 }, isOwn ? {} : { password: value });
    }
    dialog.close();
  }, {
    onFault: (error) => {
      if (!(error instanceof Problem)) return false;
      if (error.code === "version_mismatch" && form.isConnected) {
        tell(form, "edit.stale", { action: { key: "edit.load", do: load } });
        return true;
      }
      fault(form, error, { part: saved !== undefined });
      return true;
    },
  });

  /** What somebody else saved comes in wherever nothing else was typed here. */
  async function load() {
    let now;
    try {
      now = await call("GET", path);
    } catch (error) {
      fault(form, error);
      return;
    }
    clear(form);
    const typed = changedPerson();
    const typedAccess = changedAccess();
    for (const name of PERSON) {
      if (!(name in typed)) fields[name].value = now[name];
      else if (now[name] !== base[name] && now[name] !== typed[name]) mark(form, name, "edit.now", { value: now[name] });
    }
    if (chosen && !typedAccess && ROLES[now.role]) chosen.set(now.role, now.permissions);
    base = now;
    tell(form, "edit.loaded", { tone: "info" });
  }

  open(dialog);
  if (may.name) fields.first_name.focus();
  else fields.role.focus();
  return closed(form).then(() => saved);
}
