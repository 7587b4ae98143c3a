// The list of keyboard shortcuts. The user can switch off those that work everywhere.
import { find, listen, make, on, open } from "../dom.js";

/** The key in local storage that is present while the shortcuts are switched off. */
const OFF = "shortcuts";

export function shortcuts() {
  const dialog = make("shortcuts-dialog");
  const box = find("input", dialog);
  box.checked = localStorage.getItem(OFF) === null;
  listen(box, "change", () => {
    if (box.checked) localStorage.removeItem(OFF);
    else localStorage.setItem(OFF, "off");
  });
  on(dialog, "close", () => dialog.close());
  open(dialog);
  find("h2", dialog).focus();
}
