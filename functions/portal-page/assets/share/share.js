// Sign-in details to hand over, shown once.
import { find, make, on, open } from "../dom.js";
import { say, text } from "../language.js";

/** Opens the step; resolves when it is done. `password` is absent where it did not change. */
export function share({ user, name, password }) {
  const dialog = make("share-dialog");
  say(find("#share-lead", dialog), "share.lead", { name });
  find("[data-once]", dialog).hidden = !password;
  const entries = [
    ["share.address", `${location.origin}/?partner=${encodeURIComponent(user.partner_id)}`],
    ["user.email", user.email],
    ...(password ? [["user.password", password]] : []),
  ];
  for (const [key, value] of entries) {
    const entry = make("share-entry");
    const copy = find("button", entry);
    say(find("dt", entry), key);
    find("dd span", entry).textContent = value;
    copy.setAttribute("aria-label", text("share.copy_of", { what: text(key) }));
    copy.addEventListener("click", () => copied(copy, value, find("dd span", entry)));
    find(".share", dialog).append(entry);
  }
  const all = entries.map(([key, value]) => `${text(key)}: ${value}`).join("\n");
  on(dialog, "copy-all", ({ currentTarget }) => copied(currentTarget, all, find(".share", dialog)));
  on(dialog, "done", () => dialog.close());
  // What is shown only now goes by nothing but the button that says so.
  dialog.addEventListener("cancel", (event) => event.preventDefault());
  dialog.addEventListener("keydown", (event) => { if (event.key === "Escape") event.preventDefault(); });
  open(dialog);
  find("h2", dialog).focus();
  return new Promise((resolve) => dialog.addEventListener("close", resolve));
}

async function copied(button, value, shown) {
  const label = find("span", button);
  try {
    await navigator.clipboard.writeText(value);
    say(label, "share.copied");
    button.classList.add("done");
  } catch {
    say(label, "share.copy_failed");
    getSelection().selectAllChildren(shown);
  }
  button.removeAttribute("aria-label");
}
