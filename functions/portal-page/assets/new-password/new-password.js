// The field for a new password: generates one, and checks the length of what is typed. Only the server estimates the
// strength, because its list of words is too large for the page. Its verdict is shown at the field.
import { find, listen, make, on } from "../dom.js";
import { passwordToggle } from "../forms.js";
import { setText } from "../language.js";

const LENGTH = 15;

/** Letters and digits that cannot be mistaken for each other. There are 32, so that every byte selects each with the same probability. */
const ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789";

/** Generates four groups of five characters: 100 bits. */
export function generate() {
  const letters = [...crypto.getRandomValues(new Uint8Array(20))].map((byte) => ALPHABET[byte % ALPHABET.length]);
  return letters.join("").replace(/.{5}(?=.)/g, "$&-");
}

/**
 * Inserts the field into `root`.
 * @param {HTMLElement} root
 * @param {string} name
 * @param {{ canGenerate: boolean }} options
 */
export function newPassword(root, name, { canGenerate }) {
  const part = make("new-password");
  const input = find("input", part);
  const rule = find("#password-rule", part);
  input.name = name;
  const showPassword = passwordToggle(part, input);

  const update = () => {
    const isMet = [...input.value.normalize()].length >= LENGTH;
    rule.classList.toggle("met", isMet);
    setText(find("[data-state]", rule), isMet ? "password.rule.met" : "password.rule.open");
  };
  const fill = () => {
    input.value = generate();
    input.dispatchEvent(new Event("input"));
    showPassword(true);
  };
  listen(input, "input", update);
  on(part, "generate", fill);
  find('[data-do="generate"]', part).hidden = !canGenerate;
  find("[data-new-password]", root).replaceWith(part);
  update();
  return { input, fill };
}
