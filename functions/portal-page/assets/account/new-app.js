// What a user needs to add an authenticator app: its secret as a QR code and as text, and the field for its first code.
import { copy } from "../copy.js";
import { find, listen, make } from "../dom.js";
import { drawQrCode } from "./qr.js";

/** @import { NewTotp } from "../../types/api.js" */

/**
 * Inserts it into `root`, and returns the field.
 * @param {HTMLElement} root
 * @param {NewTotp} totp
 * @returns {HTMLInputElement}
 */
export function newApp(root, { secret, uri }) {
  const part = make("new-app");
  const [shown, button] = [find("code", part), find(".secret button", part)];
  drawQrCode(find(".qr", part), uri);
  shown.textContent = secret.replace(/.{4}(?=.)/g, "$& ");
  listen(button, "click", () => copy(button, secret, shown));
  find("[data-new-app]", root).replaceWith(part);
  return find("input", part);
}
