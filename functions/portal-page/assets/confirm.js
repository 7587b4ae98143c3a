// Asks before what ends sessions or cannot be undone.
import { find, make, on, open } from "./dom.js";
import { mark, onSubmit } from "./forms.js";
import { say } from "./language.js";

/** Asks; does `action` at yes and closes when it worked. `typed` has to be typed first. Resolves to whether it was done. */
export function confirm({ title, message, yes, values, typed, action }) {
  const dialog = make("confirm-dialog");
  const form = find("form", dialog);
  say(find("h2", dialog), title, values);
  say(find("#confirm-text", dialog), message, values);
  say(find(".danger", dialog), yes);
  if (typed) {
    find("[data-typed]", dialog).hidden = false;
    say(find("label", dialog), "delete.typed", { name: typed });
  }
  let isDone = false;
  on(dialog, "close", () => dialog.close());
  onSubmit(form, async () => {
    if (typed && plain(form.elements.name.value) !== plain(typed)) {
      mark(form, "name", "delete.mismatch");
      form.elements.name.focus();
      return;
    }
    await action();
    isDone = true;
    dialog.close();
  });
  open(dialog);
  (typed ? form.elements.name : find('[data-do="close"]', dialog)).focus();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(isDone)));
}

/** Without what nobody sees: letters typed in other ways, capitals, spaces. */
const plain = (name) => name.normalize("NFKC").trim().replace(/\s+/g, " ").toLowerCase();
