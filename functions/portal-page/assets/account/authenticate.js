// Asks for the password or for a code before a change that could take over an account.
import { call } from "../api.js";
import { find, make, on, open } from "../dom.js";
import { closed, onSubmit } from "../forms.js";
import { setText } from "../language.js";
import { hasPasskeys, usePasskey } from "../sign-in/passkeys.js";
import { codeField } from "./code-field.js";

/** @import { Factors } from "../../types/api.js" */

/**
 * Authenticates the signed-in user again. Resolves to whether that succeeded.
 * @returns {Promise<boolean>}
 */
export async function authenticate() {
  /** @type {Factors} */
  const { second_factor: factor, totp, passkeys } = await call("GET", "/v1/me/factors");
  const hasFactor = factor !== "none";
  const dialog = make("authenticate");
  const form = find("form", dialog);
  setText(find("p", dialog), !hasFactor ? "authenticate.lead" : totp ? "authenticate.lead_code" : "authenticate.lead_passkey");
  find(hasFactor ? "[data-password]" : "[data-code]", dialog).remove();
  let isDone = false;
  const end = () => {
    isDone = true;
    dialog.close();
  };
  const withPasskey = async () => {
    const credential = await usePasskey(await call("POST", "/v1/me/reauthentication/passkey/options"));
    if (!credential) return;
    await call("POST", "/v1/me/reauthentication/passkey", { body: { credential } });
    end();
  };
  const hasPasskey = passkeys.length > 0 && hasPasskeys();
  const field = hasFactor ? codeField(form, { hasApp: totp !== null, withPasskey: hasPasskey ? withPasskey : undefined }) : null;
  /** @type {HTMLInputElement} */
  const input = field?.input ?? form.elements.current_password;
  on(dialog, "close", () => dialog.close());
  onSubmit(form, async () => {
    await call("POST", "/v1/me/reauthentication", { body: { [input.name]: input.value } });
    end();
  });
  open(dialog);
  (field ?? input).focus();
  return closed(form).then(() => isDone);
}
