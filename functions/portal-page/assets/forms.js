// What forms have in common: where errors stand, what is wrong before anything is sent, and how a fault is told.
import { Offline, Over, Problem } from "./api.js";
import { find, make, notify } from "./dom.js";
import { has, say } from "./language.js";

/** Shows a message in the place for all that belongs to no field; screen readers are told. */
export function tell(form, key, { values, tone = "bad", action } = {}) {
  const message = make("message");
  message.dataset.tone = tone;
  if (tone !== "bad") message.setAttribute("role", "status");
  say(find("p", message), key, values);
  if (action) {
    const button = find("button", message);
    say(button, action.key);
    button.addEventListener("click", action.do);
    button.hidden = false;
  }
  place(form).replaceChildren(message);
  message.scrollIntoView({ block: "nearest" });
}

const place = (form) => find("[data-messages]", form.closest("dialog, main") ?? form);

/** Takes away every message and mark. */
export function clear(form) {
  place(form).replaceChildren();
  form.querySelectorAll("[aria-invalid]").forEach(unmark);
}

/** The part of the page that belongs to a field: its control, or the group for several. */
const fieldOf = (form, name) => find(`[name="${name}"]`, form) ?? find(`[data-field="${name}"]`, form);

/** Marks a field with what is wrong; false when the form has no such field. */
export function mark(form, name, key, values) {
  const field = name === "permissions" ? find("[data-field=permissions]", form) : fieldOf(form, name);
  if (!field) return false;
  const holder = field.matches("fieldset") ? field : field.closest(".field");
  let error = find(":scope > .error", holder);
  if (!error) {
    error = document.createElement("p");
    error.className = "error";
    error.id = `${field.id || name}-error`;
    holder.append(error);
  }
  say(error, key, values);
  field.setAttribute("aria-invalid", "true");
  const described = (field.getAttribute("aria-describedby") ?? "").split(" ").filter((id) => id && id !== error.id);
  field.setAttribute("aria-describedby", [error.id, ...described].join(" "));
  field.addEventListener("input", () => unmark(field), { once: true });
  return true;
}

function unmark(field) {
  const holder = field.matches("fieldset") ? field : field.closest(".field");
  const error = find(":scope > .error", holder);
  if (!error) return;
  const described = (field.getAttribute("aria-describedby") ?? "").split(" ").filter((id) => id !== error.id);
  field.setAttribute("aria-describedby", described.join(" "));
  field.removeAttribute("aria-invalid");
  error.remove();
}

function focusFirst(form) {
  const first = find("[aria-invalid]", form);
  (first?.matches("fieldset") ? find("input", first) : first)?.focus();
}

/** Marks what the browser itself can tell is wrong. Whether nothing is. */
export function check(form) {
  clear(form);
  for (const control of form.elements) {
    if (control.disabled || !control.name || !control.willValidate || control.closest("[hidden]")) continue;
    if (control.required && !control.value.trim()) mark(form, control.name, "field.required");
    else if (control.validity.typeMismatch) mark(form, control.name, "field.malformed");
  }
  focusFirst(form);
  return !find("[aria-invalid]", form);
}

/** Tells what went wrong: a fault of a field at the field, everything else in one place; all of it on the page once the form is gone. */
export function fault(form, error, options = {}) {
  if (error instanceof Over) return;
  if (!(error instanceof Problem || error instanceof Offline)) console.error(error);
  if (!form.isConnected) {
    notify(...told(aboutLoading(error)));
    return;
  }
  if (!(error instanceof Problem)) {
    tell(form, ...about(error));
    return;
  }
  const atFields = error.errors.filter(({ field, code }) => {
    const isPassword = field === "password" || field === "new_password";
    const key = isPassword && has(`field.password.${code}`) ? `field.password.${code}` : `field.${code}`;
    return mark(form, field === "new_password" ? "password" : field, has(key) ? key : "field.invalid");
  });
  if (atFields.length > 0 && atFields.length === error.errors.length) {
    tell(form, options.part ? "edit.part" : "fault.fields");
    focusFirst(form);
    return;
  }
  tell(form, ...about(error));
}

/** The text for a problem that belongs to no field. */
export function about(error) {
  if (!(error instanceof Problem)) return [error instanceof Offline ? "fault.offline" : "fault.internal"];
  if (error.status === 429) return ["fault.too_many_requests", { values: { total: Math.max(1, Math.ceil(error.retryAfter / 60)) } }];
  if (error.status === 503) return ["fault.unavailable"];
  if (error.status === 404) return ["fault.gone"];
  return [[`fault.${error.code}`, `field.${error.errors[0]?.code}`].find(has) ?? "fault.internal"];
}

/** The text for a problem with one of several. */
export const aboutPart = (problem) => (has(`fault.${problem?.code}`) ? `fault.${problem.code}` : "fault.internal");

/** The same as `say` and `notify` take it: key, values. */
export const told = ([key, options]) => [key, options?.values];

/** The same where nothing was typed yet. */
export function aboutLoading(error) {
  const isPassing = error instanceof Offline || (error instanceof Problem && error.status === 503);
  return isPassing ? ["fault.passing"] : about(error);
}

/** What each form is doing. */
const running = new WeakMap();

/** Runs `action` with the button that submits the form, one at a time, and shows what goes wrong. */
export function onSubmit(form, action, options = {}) {
  const run = async (button) => {
    form.setAttribute("aria-busy", "true");
    button.setAttribute("aria-disabled", "true");
    try {
      await action(button);
    } catch (error) {
      if (!options.onFault?.(error)) fault(form, error);
    } finally {
      form.removeAttribute("aria-busy");
      button.removeAttribute("aria-disabled");
    }
  };
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const button = event.submitter ?? find("button:not([type])", form);
    if (form.getAttribute("aria-busy") !== "true" && check(form)) running.set(form, run(button));
  });
}

/** Resolves once a form's dialog is closed and what was sent is answered: that cannot be taken back. */
export function closed(form) {
  return new Promise((resolve) => form.closest("dialog").addEventListener("close", () => resolve(running.get(form))));
}

/** Lets a password be seen while it is typed. */
export function showable(root, input) {
  const button = find('[data-do="show"]', root);
  const set = (isShown) => {
    input.type = isShown ? "text" : "password";
    button.setAttribute("aria-pressed", isShown);
    say(button, isShown ? "password.hide" : "password.show");
  };
  button.addEventListener("click", () => set(input.type === "password"));
  return set;
}
