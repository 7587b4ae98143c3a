// The field for a code of the authenticator app, or for a recovery code on request, and the button for a passkey.
import { find, make, on, whileBusy } from "../dom.js";
import { showError } from "../forms.js";
import { setText } from "../language.js";

/** @typedef {"app" | "recovery" | "passkey"} Shown What the user is asked for. */

/**
 * The factors that a user has, apart from recovery codes.
 * @typedef {object} Choices
 * @property {boolean} [hasApp]
 * @property {() => Promise<void>} [withPasskey] Uses a passkey in place of a code.
 * @property {(error: any) => boolean} [onError] Handles an error of the passkey.
 */

/**
 * Inserts the field into a form. Without an app, it is shown on request. Returns a function that focuses what is shown first, and the
 * field.
 * @param {HTMLFormElement} form
 * @param {Choices} [choices]
 */
export function codeField(form, { hasApp = true, withPasskey, onError } = {}) {
  const part = make("code-field");
  /** @type {HTMLInputElement} */
  const input = find("input", part);
  const [other, passkey] = [find('[data-do="other"]', part), find('[data-do="passkey"]', part)];
  /** @type {Shown} */
  let shown = hasApp ? "app" : "passkey";
  passkey.hidden = !withPasskey;

  /** @param {Shown} what */
  function show(what) {
    shown = what;
    const isCode = what !== "passkey";
    find(".field", part).hidden = find("button:not([type])", form).hidden = !isCode;
    setText(find("label", part), what === "recovery" ? "factor.recovery_code" : "factor.code");
    input.inputMode = what === "recovery" ? "text" : "numeric";
    setText(other, what === "recovery" && hasApp ? "factor.use_app" : "factor.use_recovery");
    other.hidden = what === "recovery" && !hasApp;
    passkey.className = isCode ? "plain wide" : "primary wide";
  }

  const focus = () => (shown === "passkey" ? passkey : input).focus();
  on(part, "other", () => {
    show(shown === "recovery" ? "app" : "recovery");
    input.value = "";
    // This removes an error.
    input.dispatchEvent(new Event("input"));
    focus();
  });
  on(part, "passkey", () => whileBusy(passkey, async () => {
    try {
      await withPasskey?.();
    } catch (error) {
      if (!onError?.(error)) showError(form, error);
    }
  }));
  find("[data-code]", form).replaceWith(part);
  show(shown);
  return { input, focus };
}
