// The field for a new password: generates one, and estimates the strength of what is typed. The server's estimate
// decides.
import { find, listen, make, on } from "../dom.js";
import { passwordToggle } from "../forms.js";
import { setText } from "../language.js";

const LENGTH = 15;

/** Letters and digits that cannot be mistaken for each other. There are 32, so that every byte selects each with the same probability. */
const ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789";

/** Words that guessing programs try first. */
const COMMON = [
  "password", "passwort", "motdepasse", "qwertyuiop", "qwertz", "qwerty", "azertyuiop", "azerty", "asdfghjkl", "yxcvbnm", "zxcvbnm",
  "welcome", "bienvenue", "bonjour", "administrator", "admin", "letmein", "iloveyou", "sunshine", "football", "monkey", "dragon",
  "princess", "superman", "partner", "portal", "secret", "changeme", "january", "summer", "winter", "spring", "company",
];

/** The minimum entropy in bits of a fair, a good and a strong password. */
const LEVELS = [28, 40, 55];

/** Generates four groups of five characters: 100 bits. About one in a hundred is not estimated as strong and is replaced. */
function generate() {
  let password;
  do {
    const letters = [...crypto.getRandomValues(new Uint8Array(20))].map((byte) => ALPHABET[byte % ALPHABET.length]);
    password = letters.join("").replace(/.{5}(?=.)/g, "$&-");
  } while (strength(password) < 4);
  return password;
}

/**
 * Estimates the strength from 0 (empty) to 4 (strong). The estimate is cautious: common words, repetitions and
 * sequences count little.
 * @param {string} password
 */
function strength(password) {
  if (!password) return 0;
  let rest = password.toLowerCase();
  for (const word of COMMON) rest = rest.replaceAll(word, word[0]);
  rest = rest.replace(/(19|20)\d\d/g, "0").replace(/(.+?)\1+/g, "$1");
  let bits = 0;
  /** @type {number | null} */
  let step = null;
  const points = [...rest].map((letter) => letter.codePointAt(0) ?? 0);
  points.forEach((point, index) => {
    const next = index > 0 ? point - points[index - 1] : null;
    const isExpected = next !== null && next === step && Math.abs(next) <= 1;
    bits += isExpected ? 0.3 : point >= 97 && point <= 122 ? 2.3 : 3.6;
    step = next;
  });
  return 1 + LEVELS.filter((level) => bits >= level).length;
}

/** @typedef {{ email: string, names?: string[] }} Owner */

/**
 * Whether the password contains the local part of the email or a name, of four letters or more.
 * @param {string} password
 * @param {Owner} owner
 */
function identifies(password, { email, names = [] }) {
  const lower = password.toLowerCase();
  const parts = [email.split("@")[0], ...names].map((part) => part.trim().toLowerCase());
  return parts.some((part) => part.length >= 4 && lower.includes(part));
}

/**
 * Inserts the field into `root`. `owner` returns the current email and names of the password's owner.
 * @param {HTMLElement} root
 * @param {string} name
 * @param {() => Owner} owner
 * @param {{ canGenerate: boolean }} options
 */
export function newPassword(root, name, owner, { canGenerate }) {
  const part = make("new-password");
  const input = find("input", part);
  input.name = name;
  const showPassword = passwordToggle(part, input);

  const update = () => {
    const password = input.value;
    const level = strength(password);
    /** @type {Record<string, boolean>} */
    const isMet = {
      length: [...password].length >= LENGTH,
      guess: level >= 2,
      person: password !== "" && !identifies(password, owner()),
    };
    find(".strength", part).dataset.level = level;
    setText(find("#password-strength", part), `password.strength.${level}`);
    for (const rule of part.querySelectorAll("[data-rule]")) {
      rule.classList.toggle("met", isMet[rule.dataset.rule]);
      setText(find("[data-state]", rule), isMet[rule.dataset.rule] ? "password.rule.met" : "password.rule.open");
    }
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
  return { input, fill, update };
}
