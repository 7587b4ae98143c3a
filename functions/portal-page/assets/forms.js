// Functions that forms and lists share: messages, validation before anything is sent, and errors.
import { Offline, Problem, SessionEnded } from "./api.js";
import { find, listen, make, notify } from "./dom.js";
import { hasText, setText } from "./language.js";
import { load } from "./load.js";

/** @import { Message, Values } from "./language.js" */
/** @import { PartProblem } from "../types/api.js" */

/** @typedef {{ key: string, do: () => void }} Action A button: the key of its text, and its action. */

/**
 * Shows a message that belongs to no field. Screen readers announce it.
 * @param {HTMLElement} form
 * @param {string} key
 * @param {{ values?: Values, tone?: "bad" | "good" | "info", action?: Action }} [options]
 */
export function showMessage(form, key, { values, tone = "bad", action } = {}) {
  const message = make("message");
  message.dataset.tone = tone;
  if (tone !== "bad") message.setAttribute("role", "status");
  setText(find("p", message), key, values);
  setButton(find("button", message), action);
  messagesOf(form).replaceChildren(message);
  message.scrollIntoView({ block: "nearest" });
}

/**
 * @param {HTMLButtonElement} button
 * @param {Action} [action]
 */
function setButton(button, action) {
  button.hidden = !action;
  if (!action) return;
  setText(button, action.key);
  button.onclick = () => action.do();
}

/**
 * Shows a title, a text and perhaps a button instead of a list.
 * @param {HTMLElement} panel
 * @param {string} title
 * @param {Message} message
 * @param {Action} [action]
 */
export function showEmpty(panel, title, [key, values], action) {
  setText(find(".nothing-title", panel), title);
  setText(find(".nothing-text", panel), key, values);
  setButton(find("button", panel), action);
  panel.hidden = false;
}

/** @param {HTMLElement} form */
const messagesOf = (form) => find("[data-messages]", form.closest("dialog, main") ?? form);

/**
 * Removes every message and error.
 * @param {HTMLElement} form
 */
export function clearMessages(form) {
  messagesOf(form).replaceChildren();
  form.querySelectorAll("[aria-invalid]").forEach(clearError);
}

/**
 * Shows an error at a field. Returns whether the form has that field.
 * @param {HTMLElement} form
 * @param {string} name
 * @param {string} key
 * @param {Values} [values]
 */
export function markField(form, name, key, values) {
  const isGroup = name === "permissions";
  const field = (!isGroup && find(`[name="${name}"]`, form)) || find(`[data-field="${name}"]`, form);
  if (!field) return false;
  const holder = holderOf(field);
  let error = find(":scope > .error", holder);
  if (!error) {
    error = document.createElement("p");
    error.className = "error";
    error.id = `${field.id || name}-error`;
    holder.append(error);
  }
  setText(error, key, values);
  field.setAttribute("aria-invalid", "true");
  field.setAttribute("aria-describedby", [error.id, ...descriptionsOf(field, error)].join(" "));
  field.addEventListener("input", () => clearError(field), { once: true });
  return true;
}

/**
 * @param {Element} field
 * @returns {any}
 */
const holderOf = (field) => (field.matches("fieldset") ? field : field.closest(".field"));

/**
 * The ids of the elements that describe a field, without its error.
 * @param {Element} field
 * @param {Element} error
 */
const descriptionsOf = (field, error) =>
  (field.getAttribute("aria-describedby") ?? "").split(" ").filter((id) => id && id !== error.id);

/** @param {Element} field */
function clearError(field) {
  const error = find(":scope > .error", holderOf(field));
  if (!error) return;
  field.setAttribute("aria-describedby", descriptionsOf(field, error).join(" "));
  field.removeAttribute("aria-invalid");
  error.remove();
}

/** @param {HTMLElement} form */
function focusFirstError(form) {
  const first = find("[aria-invalid]", form);
  (first?.matches("fieldset") ? find("input", first) : first)?.focus();
}

/**
 * Shows the errors that the browser can find. Returns whether there are none.
 * @param {HTMLFormElement} form
 */
export function check(form) {
  clearMessages(form);
  /** @type {Iterable<any>} */
  const controls = form.elements;
  for (const control of controls) {
    if (control.disabled || !control.name || !control.willValidate || control.closest("[hidden]")) continue;
    if (control.required && !control.value.trim()) markField(form, control.name, "field.required");
    else if (control.validity.typeMismatch) markField(form, control.name, "field.malformed");
  }
  focusFirstError(form);
  return !find("[aria-invalid]", form);
}

/**
 * Shows an error: at its field if it has one, else as a message; as a notice if the form is no longer on the page.
 * @param {HTMLElement} form
 * @param {Error} error
 * @param {{ isPartlySaved?: boolean }} [options]
 */
export function showError(form, error, { isPartlySaved = false } = {}) {
  if (error instanceof SessionEnded) return;
  if (!(error instanceof Problem || error instanceof Offline)) console.error(error);
  if (!form.isConnected) {
    notify(...loadErrorMessage(error));
    return;
  }
  if (error instanceof Problem) {
    const atFields = error.errors.filter(({ field, code }) => {
      const isPassword = field === "password" || field === "new_password";
      const key = isPassword && hasText(`field.password.${code}`) ? `field.password.${code}` : `field.${code}`;
      return markField(form, field === "new_password" ? "password" : field, hasText(key) ? key : "field.invalid");
    });
    if (atFields.length > 0 && atFields.length === error.errors.length) {
      showMessage(form, isPartlySaved ? "edit.part" : "fault.fields");
      focusFirstError(form);
      return;
    }
  }
  const [key, values] = errorMessage(error);
  showMessage(form, key, { values });
}

/**
 * The message for an error that belongs to no field.
 * @param {Error} error
 * @returns {Message}
 */
export function errorMessage(error) {
  if (!(error instanceof Problem)) return [error instanceof Offline ? "fault.offline" : "fault.internal"];
  if (error.status === 429) {
    const minutes = Math.max(1, Math.ceil(error.retryAfter / 60));
    // Only the limits for mail are longer than an hour.
    return minutes > 60 ? ["fault.too_many_mails", { total: Math.ceil(minutes / 60) }] : ["fault.too_many_requests", { total: minutes }];
  }
  if (error.status === 503) return ["fault.unavailable"];
  if (error.status === 404) return ["fault.gone"];
  return [[`fault.${error.code}`, `field.${error.errors[0]?.code}`].find(hasText) ?? "fault.internal"];
}

/**
 * The key of the text for an error that concerns one of several users.
 * @param {PartProblem | null} problem
 */
export const partErrorKey = (problem) => (hasText(`fault.${problem?.code}`) ? `fault.${problem?.code}` : "fault.internal");

/**
 * The message for an error when the user has typed nothing yet.
 * @param {Error} error
 * @returns {Message}
 */
export function loadErrorMessage(error) {
  const isTemporary = error instanceof Offline || (error instanceof Problem && error.status === 503);
  return isTemporary ? ["fault.passing"] : errorMessage(error);
}

/**
 * Loads a part of the page, or shows a notice if it cannot be loaded.
 * @template T
 * @param {() => Promise<T>} part
 * @returns {Promise<T | undefined>}
 */
export async function loadOrNotify(part) {
  try {
    return await load(part);
  } catch (error) {
    notify(...loadErrorMessage(error));
    return undefined;
  }
}

/**
 * The running action of each form.
 * @type {WeakMap<HTMLFormElement, Promise<void>>}
 */
const running = new WeakMap();

/**
 * Calls `action` with the button that submits the form, one call at a time, and shows its errors, unless `onError` handles
 * them.
 * @param {HTMLFormElement} form
 * @param {(button: any) => Promise<void>} action
 * @param {{ onError?: (error: any) => boolean }} [options]
 */
export function onSubmit(form, action, options = {}) {
  /** @param {HTMLElement} button */
  const run = async (button) => {
    form.setAttribute("aria-busy", "true");
    button.setAttribute("aria-disabled", "true");
    try {
      await action(button);
    } catch (error) {
      if (!options.onError?.(error)) showError(form, error);
    } finally {
      form.removeAttribute("aria-busy");
      button.removeAttribute("aria-disabled");
    }
  };
  listen(form, "submit", (event) => {
    event.preventDefault();
    const button = event.submitter ?? find("button:not([type])", form);
    if (form.getAttribute("aria-busy") !== "true" && check(form)) running.set(form, run(button));
  });
}

/**
 * Resolves when the form's dialog is closed and its running action has finished, since a sent request cannot be cancelled.
 * @param {HTMLFormElement} form
 * @returns {Promise<void>}
 */
export function closed(form) {
  return new Promise((resolve) => form.closest("dialog")?.addEventListener("close", () => resolve(running.get(form))));
}

/**
 * Lets the user show and hide a password. Returns a function that does the same.
 * @param {HTMLElement} root
 * @param {HTMLInputElement} input
 */
export function passwordToggle(root, input) {
  const button = find('[data-do="show"]', root);
  /** @param {boolean} isShown */
  const set = (isShown) => {
    input.type = isShown ? "text" : "password";
    button.setAttribute("aria-pressed", isShown);
    setText(button, isShown ? "password.hide" : "password.show");
  };
  listen(button, "click", () => set(input.type === "password"));
  return set;
}
