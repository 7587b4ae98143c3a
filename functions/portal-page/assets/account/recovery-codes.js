// New recovery codes, shown once.
import { copy } from "../copy.js";
import { find, guard, keepOpen, listen, make, on, open } from "../dom.js";
import { saveFile } from "../files.js";
import { markField, onSubmit } from "../forms.js";
import { dayOf, setText, text } from "../language.js";

/**
 * Shows the codes. Resolves when the user has confirmed that they are kept.
 * @param {string[]} codes
 * @param {string} email The email of the account.
 * @returns {Promise<void>}
 */
export function keepCodes(codes, email) {
  const dialog = make("recovery-codes");
  const form = find("form", dialog);
  const { kept } = form.elements;
  const content = [text("recovery.of", { email }), "", ...codes, ""].join("\n");
  setText(find("[data-of]", dialog), "recovery.of", { email });
  find("ul", dialog).append(...codes.map((code) => {
    const item = document.createElement("li");
    item.textContent = code;
    return item;
  }));
  on(dialog, "copy", ({ currentTarget }) => copy(currentTarget, content, find("ul", dialog)));
  on(dialog, "download", () => saveFile(`recovery-codes-${dayOf(new Date())}.txt`, "text/plain", [content]));
  on(dialog, "print", () => print());
  onSubmit(form, async () => {
    if (kept.checked) {
      dialog.close();
      return;
    }
    markField(form, "kept", "recovery.not_kept");
    kept.focus();
  });
  keepOpen(dialog);
  guard(dialog, () => true);
  open(dialog);
  find("h2", dialog).focus();
  return new Promise((resolve) => listen(dialog, "close", () => resolve()));
}
