// Creates and finds elements. Data is only ever set as text; nothing here parses markup.
import { currentLanguage, languages, loadLanguage, setText, storeLanguage, translate } from "./language.js";

/**
 * The first element in `root` that matches `selector`. The type is `any` because only the templates define which elements
 * exist.
 * @param {string} selector
 * @param {ParentNode} [root]
 * @returns {any}
 */
export const find = (selector, root = document) => root.querySelector(selector);

/**
 * Creates the element of a template, in the current language.
 * @param {string} template
 * @returns {any}
 */
export function make(template) {
  const element = find(`#${template}`).content.firstElementChild.cloneNode(true);
  translate(element);
  return element;
}

/**
 * Shows this element instead of the current view.
 * @param {HTMLElement} element
 */
export function show(element) {
  find("#view").replaceChildren(element);
}

/**
 * Adds a listener.
 * @param {EventTarget} target
 * @param {string} type
 * @param {(event: any) => void} listener
 */
export const listen = (target, type, listener) => target.addEventListener(type, listener);

/**
 * Calls `action` when the element with this `data-do` is clicked.
 * @param {HTMLElement} root
 * @param {string} name
 * @param {(event: any) => void} action
 */
export function on(root, name, action) {
  find(`[data-do="${name}"]`, root)?.addEventListener("click", action);
}

/**
 * Opens a dialog, and removes it from the page when it closes.
 * @param {HTMLDialogElement} dialog
 */
export function open(dialog) {
  document.body.append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.showModal();
}

/** @typedef {{ first_name: string, last_name: string | null }} Named A person with a single name has no last name. */

/** @param {Named} user */
export const initials = (user) =>
  [user.first_name, user.last_name].map((name) => [...(name ?? "").trim()][0] ?? "").join("").toLocaleUpperCase();

/** @param {Named} user */
export const nameOf = (user) => [user.first_name, user.last_name].filter(Boolean).join(" ");

/**
 * An entry in a list: a name, and a text below it.
 * @param {string} name
 * @param {string} help
 */
export function entry(name, help) {
  const entry = make("entry");
  find("b", entry).textContent = name;
  find("span", entry).textContent = help;
  return entry;
}

/** The menu of languages. The current view receives the event "language" after a change. */
export function languageSelect() {
  const select = make("language-select");
  for (const [code, name] of languages) {
    const option = new Option(name, code);
    option.lang = code;
    select.add(option);
  }
  select.value = currentLanguage();
  select.addEventListener("change", async () => {
    const wanted = select.value;
    try {
      await loadLanguage(wanted);
    } catch {
      select.value = currentLanguage();
      notify("fault.passing");
      return;
    }
    // The user may have chosen again in the meantime.
    if (select.value !== wanted) return;
    storeLanguage(wanted);
    translate(document.documentElement);
    // Another view may have been shown in the meantime, with its own menu.
    const shown = find("select.language");
    if (shown) shown.value = wanted;
    find("#view").firstElementChild.dispatchEvent(new Event("language"));
  });
  return select;
}

/** @param {string} key */
export const setTitle = (key) => setText(find("title"), key);

/** @type {number} */
let noticeTimer;

/**
 * Shows a notice for some seconds.
 * @param {string} key
 * @param {import("./language.js").Values} [values]
 */
export function notify(key, values) {
  const notice = find("#notice");
  setText(notice, key, values);
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(clearNotice, 8000);
}

export function clearNotice() {
  const notice = find("#notice");
  delete notice.dataset.t;
  notice.textContent = "";
}
