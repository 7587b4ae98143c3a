// The texts of the page. A new language is one file, and one line here.
import { daysSince } from "./days.js";
import en from "./en.js";
import fr from "./fr.js";

const LANGUAGES = { en, fr };
const STORED = "language";

let language = "en";
let texts = en;

/** The languages' codes, and what each calls itself. */
export const languages = Object.entries(LANGUAGES).map(([code, texts]) => [code, texts["language.name"]]);

/** The language that was chosen here before, or else the first of the browser's that we have. */
export function preferred() {
  const wanted = [localStorage.getItem(STORED), ...navigator.languages].map((code) => code?.slice(0, 2));
  return wanted.find((code) => Object.hasOwn(LANGUAGES, code)) ?? "en";
}

export function speak(code) {
  language = code;
  texts = LANGUAGES[code];
  document.documentElement.lang = code;
}

/** Keeps the choice for the next visit. */
export function choose(code) {
  localStorage.setItem(STORED, code);
  speak(code);
}

export const current = () => language;

/** Whether there is a text for `key`. */
export const has = (key) => Object.hasOwn(texts, key);

/** A number as people write it here. */
export const number = (value) => new Intl.NumberFormat(language).format(value);

/** The text for `key`, in the plural form for `values.total` where there are several. */
export function text(key, values = {}) {
  const form = has(key) ? key : `${key}.${new Intl.PluralRules(language).select(values.total)}`;
  const template = texts[form] ?? texts[`${key}.other`] ?? key;
  return template.replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name];
    return typeof value === "number" ? number(value) : value;
  });
}

/** Makes `element` say `key`, now and after a change of language. */
export function say(element, key, values) {
  element.dataset.t = key;
  element.dataset.values = JSON.stringify(values ?? {});
  element.textContent = text(key, values);
}

/** Everything in `root` that has a text, said in the present language. */
export function translate(root) {
  const each = (attribute, set) => {
    for (const element of [root, ...root.querySelectorAll(`[${attribute}]`)]) {
      const key = element.getAttribute?.(attribute);
      if (key) set(element, text(key, JSON.parse(element.dataset.values ?? "{}")));
    }
  };
  each("data-t", (element, text) => { element.textContent = text; });
  each("data-t-label", (element, text) => element.setAttribute("aria-label", text));
  each("data-t-placeholder", (element, text) => { element.placeholder = text; });
}

/** Several things as people list them here. */
export const list = (items) => new Intl.ListFormat(language).format(items);

const AGES = [["year", 365], ["month", 30], ["day", 1]];

/** How long ago a time was, as people say it here. */
export function ago(time) {
  const days = daysSince(time);
  const [unit, length] = AGES.find(([, length]) => days >= 2 * length) ?? ["day", 1];
  return new Intl.RelativeTimeFormat(language, { numeric: "auto" }).format(-Math.floor(days / length), unit);
}

/** A day as people write it here. */
export const day = (time) => new Intl.DateTimeFormat(language, { dateStyle: "medium" }).format(new Date(time));

/** A time as people write it here. */
export const moment = (time) =>
  new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }).format(new Date(time));
