// The texts of the page, and numbers and dates in the formats of its language and the reader's time zone. The document contains
// the texts of one language that the first screens need, and the later scripts those that their views need. All texts of another
// language are loaded when the user chooses it. A text of the first screens has its key, or the beginning of its key before a
// placeholder, in their code, and so has a text of the account in the code of its script. A new language needs one file, one line
// here, and its code in build.rs.
import { load } from "./load.js";

/**
 * @typedef {Record<string, string>} Texts
 * @typedef {Record<string, any>} Values Values for the placeholders of a text; `total` selects the plural form.
 * @typedef {[key: string, values?: Values]} Message
 */

/**
 * The languages by their codes: the name of each in that language, and its texts.
 * @type {Record<string, { name: string, load: () => Promise<{ default: Texts }> }>}
 */
const LANGUAGES = {
  en: { name: "English", load: () => import("./en.js") },
  fr: { name: "Français", load: () => import("./fr.js") },
};

/** The name of the stored language, in local storage and as a cookie. */
const STORED = "language";

/** Seconds until a browser forgets the cookie. */
const COOKIE_LIFETIME = 365 * 86_400;

let language = document.documentElement.lang;

/**
 * The texts of the languages that are loaded.
 * @type {Record<string, Texts>}
 */
const loaded = { [language]: JSON.parse(document.getElementById("texts")?.textContent ?? "") };
let texts = loaded[language];

/** The code of each language, and its name in that language. */
export const languages = Object.entries(LANGUAGES).map(([code, { name }]) => [code, name]);

/** The language stored in this browser, or else the browser's first language that the page has. */
export function preferredLanguage() {
  const wanted = [localStorage.getItem(STORED), ...navigator.languages].map((code) => code?.slice(0, 2));
  return wanted.find((code) => code && Object.hasOwn(LANGUAGES, code)) ?? "en";
}

/**
 * Loads the texts of a language. Throws `Offline`.
 * @param {string} code
 */
export async function loadLanguage(code) {
  loaded[code] ??= (await load(LANGUAGES[code].load)).default;
}

/**
 * Adds the texts of the other views to those of the document's language.
 * @param {string} code
 * @param {Texts} more
 */
export const addTexts = (code, more) => Object.assign(loaded[code], more);

/**
 * Sets the language, whose texts are loaded.
 * @param {string} code
 */
export function setLanguage(code) {
  language = code;
  texts = loaded[code];
  document.documentElement.lang = code;
  // By this cookie, the server sends the next document in the stored language. Some browsers keep a script's cookies for days
  // only, so every visit repeats it.
  if (localStorage.getItem(STORED) === code) {
    document.cookie = `${STORED}=${code}; path=/; max-age=${COOKIE_LIFETIME}; samesite=lax; secure`;
  }
}

/**
 * Sets the language, whose texts are loaded, now and for the next visit.
 * @param {string} code
 */
export function storeLanguage(code) {
  localStorage.setItem(STORED, code);
  setLanguage(code);
}

export const currentLanguage = () => language;

/** The language with the reader's region if the browser has it, such as `en-GB`: dates and numbers depend on the region. */
const locale = () => navigator.languages.find((code) => code.slice(0, 2) === language) ?? language;

/** @param {string} key */
export const hasText = (key) => Object.hasOwn(texts, key);

/**
 * The keys of all texts of a group, without its name.
 * @param {string} group
 */
export const keysOf = (group) =>
  Object.keys(texts).filter((key) => key.startsWith(`${group}.`)).map((key) => key.slice(group.length + 1));

/**
 * Formats a number.
 * @param {number} value
 */
export const number = (value) => new Intl.NumberFormat(locale()).format(value);

/** French words that lose their last letter before a vowel, before a placeholder. */
const ELIDED = /(?<![\p{L}’])(de|que|le|la) \{(\w+)\}/giu;

/**
 * The beginnings of names with a vowel sound, without accents. A y is one before a consonant: "d’Yves", but "de Yann". The h
 * is silent in these French names only: "d’Hélène", but "de Hugo" and "de Hassan", as most languages pronounce it.
 */
const VOWEL_SOUND =
  /^(?:[aeiouœæø]|y[b-df-hj-np-tv-xz]|h(?:adrien|armonie|ector|elen|eloi|enri(?!k)|ermi|erve|ilair|ippoly|onor|orten|ubert|yacin))/;

/**
 * Shortens the words of a French text before values that begin with a vowel sound: "Historique d’Ann".
 * @param {string} template
 * @param {Values} values
 */
export const elide = (template, values) =>
  template.replace(ELIDED, (whole, word, name) => {
    const value = String(values[name]).normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
    return VOWEL_SOUND.test(value) ? `${word.slice(0, -1)}’{${name}}` : whole;
  });

/**
 * The text for `key`, or its plural form for `values.total`.
 * @param {string} key
 * @param {Values} [values]
 */
export function text(key, values = {}) {
  const form = hasText(key) ? key : `${key}.${new Intl.PluralRules(language).select(values.total)}`;
  const template = texts[form] ?? texts[`${key}.other`] ?? key;
  return (language === "fr" ? elide(template, values) : template).replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name];
    return typeof value === "number" ? number(value) : value;
  });
}

/**
 * Sets the text of an element, now and whenever the language changes.
 * @param {HTMLElement} element
 * @param {string} key
 * @param {Values} [values]
 */
export function setText(element, key, values) {
  element.dataset.t = key;
  element.dataset.values = JSON.stringify(values ?? {});
  element.textContent = text(key, values);
}

/**
 * Translates every element in `root` that has a text.
 * @param {HTMLElement} root
 */
export function translate(root) {
  /**
   * @param {string} attribute
   * @param {(element: any, text: string) => void} set
   */
  const each = (attribute, set) => {
    /** @type {NodeListOf<HTMLElement>} */
    const found = root.querySelectorAll(`[${attribute}]`);
    for (const element of [root, ...found]) {
      const key = element.getAttribute(attribute);
      if (key) set(element, text(key, JSON.parse(element.dataset.values ?? "{}")));
    }
  };
  each("data-t", (element, text) => { element.textContent = text; });
  each("data-t-label", (element, text) => element.setAttribute("aria-label", text));
  each("data-t-placeholder", (element, text) => { element.placeholder = text; });
}

/**
 * Formats a list of items.
 * @param {string[]} items
 */
export const list = (items) => new Intl.ListFormat(locale()).format(items);

/** @type {[Intl.RelativeTimeFormatUnit, number][]} */
const AGES = [["year", 365], ["month", 30], ["day", 1]];

/**
 * Formats how long ago a time was.
 * @param {string} time
 */
export function ago(time) {
  const days = daysSince(time);
  const [unit, length] = AGES.find(([, length]) => days >= 2 * length) ?? ["day", 1];
  return new Intl.RelativeTimeFormat(locale(), { numeric: "auto" }).format(-Math.floor(days / length), unit);
}

/**
 * Formats the day of a time.
 * @param {string} time
 */
export const day = (time) => new Intl.DateTimeFormat(locale(), { dateStyle: "medium" }).format(new Date(time)).replaceAll(" ", "\u00A0");

/**
 * Formats a time. A line can break only between the day and the time of day.
 * @param {string} time
 */
export const moment = (time) =>
  new Intl.DateTimeFormat(locale(), { dateStyle: "medium", timeStyle: "short" }).format(new Date(time))
    .replaceAll(" ", "\u00A0").replace(/,\u00A0(?=[^,]*$)/, ", ");

/**
 * The day of a date, in the format of date fields: `2026-11-22`.
 * @param {Date} date
 */
export const dayOf = (date) =>
  [date.getFullYear(), date.getMonth() + 1, date.getDate()].map((number) => String(number).padStart(2, "0")).join("-");

/**
 * Formats a time for spreadsheets, which sort it: `2026-11-22 09:05`.
 * @param {string} time
 */
export function sortableMoment(time) {
  const date = new Date(time);
  return `${dayOf(date)} ${[date.getHours(), date.getMinutes()].map((number) => String(number).padStart(2, "0")).join(":")}`;
}

/**
 * The time at which a day begins, or `undefined` if it is not a day.
 * @param {string} day
 * @param {number} [later] Days to add.
 */
export function startOfDay(day, later = 0) {
  const [year, month, date] = day.split("-").map(Number);
  const start = new Date(year, month - 1, date + later);
  return Number.isNaN(start.valueOf()) ? undefined : start.toISOString();
}

/**
 * The number of whole days since a time.
 * @param {string} time
 */
export const daysSince = (time) => Math.max(0, Math.floor((Date.now() - new Date(time).valueOf()) / 86_400_000));
