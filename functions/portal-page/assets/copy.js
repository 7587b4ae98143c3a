// Buttons that copy a text.
import { find } from "./dom.js";
import { setText } from "./language.js";

/** Milliseconds for which a button shows that it has copied. */
const COPIED_DURATION = 5000;

/** Shows the button that copied last as it was before. */
let reset = () => {};

/**
 * Copies a value when `button` was clicked, or selects the element that shows it if the browser does not allow copying.
 * @param {HTMLButtonElement} button
 * @param {string} value
 * @param {HTMLElement} shown
 */
export async function copy(button, value, shown) {
  reset();
  const label = find("span", button);
  const [key, name] = [label.dataset.t, button.getAttribute("aria-label")];
  reset = () => {
    clearTimeout(timer);
    reset = () => {};
    setText(label, key);
    button.classList.remove("done");
    if (name) button.setAttribute("aria-label", name);
  };
  const timer = setTimeout(() => reset(), COPIED_DURATION);
  button.removeAttribute("aria-label");
  try {
    await navigator.clipboard.writeText(value);
    setText(label, "share.copied");
    button.classList.add("done");
  } catch {
    clearTimeout(timer);
    setText(label, "share.copy_failed");
    getSelection()?.selectAllChildren(shown);
  }
}
