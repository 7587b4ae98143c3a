// Asks for confirmation before an action that ends sessions or cannot be undone.
import { entry, find, make, nameOf, on, open } from "../dom.js";
import { closed, markField, onSubmit } from "../forms.js";
import { setText, text } from "../language.js";

/** @import { User } from "../../types/api.js" */

/**
 * @typedef {object} Question
 * @property {string} title The key of a text, as are `message` and `yes`.
 * @property {string} message
 * @property {string} yes
 * @property {import("../language.js").Values} [values]
 * @property {string} [typed] A text that the user must type first.
 * @property {"reason" | "current_password" | "role"} [field] A further field.
 * @property {string[][]} [options] The values of that field, with the keys of their texts.
 * @property {User[]} [users] Users to list.
 * @property {boolean} [isMild]
 * @property {(fields: any, say: (key: string, values: import("../language.js").Values) => void) => Promise<void>} action Gets the
 * form's fields, and a function that replaces the message while the action runs.
 */

/**
 * Opens the dialog. On confirmation it runs `action`, and closes when that has succeeded. Resolves to whether it has
 * succeeded.
 * @param {Question} question
 * @returns {Promise<boolean>}
 */
export function confirm({ title, message, yes, values, typed, field, options = [], users = [], isMild = false, action }) {
  const dialog = make("confirm-dialog");
  const form = find("form", dialog);
  const button = find("button:not([type])", form);
  setText(find("h2", dialog), title, values);
  setText(find("#confirm-text", dialog), message, values);
  setText(button, yes);
  button.className = isMild ? "primary" : "danger";
  find(".people", dialog).hidden = users.length === 0;
  find(".people", dialog).append(...users.map((user) => entry(nameOf(user), user.email)));
  if (typed) {
    find("[data-typed]", dialog).hidden = false;
    setText(find("[data-typed] label", dialog), "remove.typed", { name: typed });
  }
  form.elements.role.append(...options.map(([value, key]) => new Option(text(key), value)));
  if (field) form.elements[field].closest(".field").hidden = false;
  let isDone = false;
  on(dialog, "close", () => dialog.close());
  onSubmit(form, async () => {
    if (typed && normalized(form.elements.name.value) !== normalized(typed)) {
      markField(form, "name", "remove.mismatch");
      form.elements.name.focus();
      return;
    }
    await action(form.elements, (key, values) => setText(find("#confirm-text", dialog), key, values));
    isDone = true;
    dialog.close();
  });
  open(dialog);
  const first = typed ? form.elements.name : field === "current_password" ? form.elements[field] : null;
  (first ?? find('[data-do="close"]', dialog)).focus();
  return closed(form).then(() => isDone);
}

/**
 * Removes differences that users do not see: Unicode forms of a letter, case and spaces.
 * @param {string} name
 */
const normalized = (name) => name.normalize("NFKC").trim().replace(/\s+/g, " ").toLowerCase();
