// The field for a new password: makes one, and says while one is typed how strong it is. The server's own estimate decides.
import { find, make, on } from "../dom.js";
import { showable } from "../forms.js";
import { say } from "../language.js";

const LENGTH = 15;

/** Letters and digits that nobody takes for another; 32 of them, so every byte falls on each alike. */
const ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789";

/** What is among the first that guessing programs try. */
const COMMON = [
  "password", "passwort", "motdepasse", "qwertyuiop", "qwertz", "qwerty", "azertyuiop", "azerty", "asdfghjkl", "yxcvbnm", "zxcvbnm",
  "welcome", "bienvenue", "bonjour", "administrator", "admin", "letmein", "iloveyou", "sunshine", "football", "monkey", "dragon",
  "princess", "superman", "partner", "portal", "secret", "changeme", "january", "summer", "winter", "spring", "company",
];

/** Bits of surprise from which on a password is fair, good, strong. */
const LEVELS = [28, 40, 55];

/** Four groups of five: 100 bits, and still possible to read out. One in a hundred would not look strong, and is made anew. */
export function generate() {
  let made;
  do {
    const letters = [...crypto.getRandomValues(new Uint8Array(20))].map((byte) => ALPHABET[byte % ALPHABET.length]);
    made = letters.join("").match(/.{5}/g).join("-");
  } while (strength(made) < 4);
  return made;
}

/** 0 (nothing) to 4 (strong): a careful guess, for what is known or repeats counts for little. */
export function strength(password) {
  if (!password) return 0;
  let rest = password.toLowerCase();
  for (const word of COMMON) rest = rest.replaceAll(word, word[0]);
  rest = rest.replace(/(19|20)\d\d/g, "0").replace(/(.+?)\1+/g, "$1");
  let bits = 0;
  let step = null;
  const points = [...rest].map((letter) => letter.codePointAt(0));
  points.forEach((point, index) => {
    const next = index > 0 ? point - points[index - 1] : null;
    const isExpected = next !== null && next === step && Math.abs(next) <= 1;
    bits += isExpected ? 0.3 : point >= 97 && point <= 122 ? 2.3 : 3.6;
    step = next;
  });
  return 1 + LEVELS.filter((level) => bits >= level).length;
}

/** Whether the password gives away whose it is: an email's local part, or a name of four letters or more. */
function givesAway(password, { email = "", names = [] }) {
  const lower = password.toLowerCase();
  const parts = [email.split("@")[0], ...names].map((part) => part.trim().toLowerCase());
  return parts.some((part) => part.length >= 4 && lower.includes(part));
}

/** Puts the field in its place within `root`. `whose` says `{email, names}` at any time. */
export function newPassword(root, name, whose, { canGenerate }) {
  const part = make("new-password");
  const input = find("input", part);
  input.name = name;
  const see = showable(part, input);

  const update = () => {
    const password = input.value;
    const level = strength(password);
    const isMet = {
      length: [...password].length >= LENGTH,
      guess: level >= 2,
      person: password !== "" && !givesAway(password, whose()),
    };
    find(".strength", part).dataset.level = level;
    say(find("#password-strength", part), `password.strength.${level}`);
    for (const rule of part.querySelectorAll("[data-rule]")) {
      rule.classList.toggle("met", isMet[rule.dataset.rule]);
      say(find("[data-state]", rule), isMet[rule.dataset.rule] ? "password.rule.met" : "password.rule.open");
    }
  };
  const fill = () => {
    input.value = generate();
    input.dispatchEvent(new Event("input"));
    see(true);
  };
  input.addEventListener("input", update);
  on(part, "generate", fill);
  find('[data-do="generate"]', part).hidden = !canGenerate;
  find("[data-new-password]", root).replaceWith(part);
  update();
  return { input, fill, update };
}
