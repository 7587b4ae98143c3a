// Asks before what ends sessions or cannot be undone.
import { entry, find, make, nameOf, on, open } from "../dom.js";
import { closed, mark, onSubmit } from "../forms.js";
import { say } from "../language.js";

/**
 * Asks; does `action` with the form's fields at yes and closes when it worked. Resolves to whether it was done.
 * `typed` has to be typed first; `asks` is one more field, `reason` or `current_password`; `people` are shown by name.
 */
export function confirm({ title, message, yes, values, typed, asks, people = [], isMild = false, action }) {
  const dialog = make("confirm-dialog");
  const form = find("form", dialog);
  const button = find("button:not([type])", form);
  say(find("h2", dialog), title, values);
  say(find("#confirm-text", dialog), message, values);
  say(button, yes);
  button.className = isMild ? "primary" : "danger";
  find(".people", dialog).hidden = people.length === 0;
  find(".people", dialog).append(...people.map((user) => entry(nameOf(user), user.email)));
  if (typed) {
    find("[data-typed]", dialog).hidden = false;
    say(find("[data-typed] label", dialog), "delete.typed", { name: typed });
  }
  if (asks) form.elements[asks].closest(".field").hidden = false;
  let isDone = false;
  on(dialog, "close", () => dialog.close());
  onSubmit(form, async () => {
    if (typed && plain(form.elements.name.value) !== plain(typed)) {
      mark(form, "name", "delete.mismatch");
      form.elements.name.focus();
      return;
    }
    await action(form.elements);
    isDone = true;
    dialog.close();
  });
  open(dialog);
  const first = typed ? form.elements.name : asks === "current_password" ? form.elements[asks] : null;
  (first ?? find('[data-do="close"]', dialog)).focus();
  return closed(form).then(() => isDone);
}

/** Without what nobody sees: letters typed in other ways, capitals, spaces. */
const plain = (name) => name.normalize("NFKC").trim().replace(/\s+/g, " ").toLowerCase();
