// Creates and finds elements. Data is only ever set as text; nothing here parses markup.
import { currentLanguage, languages, loadLanguage, setText, storeLanguage, text, translate } from "./language.js";

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
    showTitle();
    // Another view may have been shown in the meantime, with its own menu.
    const shown = find("select.language");
    if (shown) shown.value = wanted;
    find("#view").firstElementChild.dispatchEvent(new Event("language"));
  });
  return select;
}

/**
 * Creates the element of a template in the frame of the sign-in and its steps.
 * @param {string} template
 */
export function entrance(template) {
  const view = make("entrance");
  find(".entrance-top", view).append(make("brand"), languageSelect());
  view.append(make(template));
  return view;
}

/**
 * Runs the action of a button, unless it is still running.
 * @param {HTMLElement} button
 * @param {() => Promise<void>} action
 */
export async function whileBusy(button, action) {
  if (button.getAttribute("aria-disabled") === "true") return;
  button.setAttribute("aria-disabled", "true");
  try {
    await action();
  } finally {
    button.removeAttribute("aria-disabled");
  }
}

let title = { key: "", partner: /** @type {string | null | undefined} */ ("") };

/**
 * Sets the title of the document.
 * @param {string} key
 * @param {string | null} [partner] The partner's name, if it is known.
 */
export function setTitle(key, partner) {
  title = { key, partner };
  showTitle();
}

function showTitle() {
  document.title = [text(title.key), title.partner, text("portal")].filter(Boolean).join(" – ");
}

/**
 * Asks before the user leaves the page, while this dialog is open and contains something that would be lost.
 * @param {HTMLDialogElement} dialog
 * @param {() => boolean} isNeeded
 */
export function guard(dialog, isNeeded) {
  /** @param {Event} event */
  const ask = (event) => { if (isNeeded()) event.preventDefault(); };
  addEventListener("beforeunload", ask);
  listen(dialog, "close", () => removeEventListener("beforeunload", ask));
}

/**
 * Lets only a button close a dialog, for example because it shows one-time data.
 * @param {HTMLDialogElement} dialog
 * @param {() => boolean} [isNeeded] Whether that is so at the moment.
 */
export function keepOpen(dialog, isNeeded = () => true) {
  listen(dialog, "cancel", (event) => { if (isNeeded()) event.preventDefault(); });
  listen(dialog, "keydown", (event) => { if (isNeeded() && event.key === "Escape") event.preventDefault(); });
}

/** Milliseconds for which a notice is shown, and a notice with a button. */
const NOTICE_TIME = 8_000;
const BUTTON_TIME = 20_000;

/** The key of the text of the button that undoes a change, which has a keyboard shortcut. */
const UNDO = "review.undo";

/** @type {number} */
let noticeTimer;

/**
 * Shows a notice for some seconds.
 * @param {string} key
 * @param {import("./language.js").Values} [values]
 * @param {() => void} [action] The notice has a button that calls this.
 * @param {string} [label] The key of the text of the button.
 */
export function notify(key, values, action, label = UNDO) {
  const content = document.createElement("span");
  setText(content, key, values);
  find("#notice").replaceChildren(content);
  if (action) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "link";
    if (label === UNDO) button.setAttribute("aria-keyshortcuts", "U");
    setText(button, label);
    listen(button, "click", () => {
      clearNotice();
      action();
    });
    content.after(button);
  }
  clearLater(action ? BUTTON_TIME : NOTICE_TIME);
}

/**
 * Removes the notice after this time, but not while the user is about to use it.
 * @param {number} time
 */
function clearLater(time) {
  clearTimeout(noticeTimer);
  noticeTimer = setTimeout(() => (find("#notice:is(:hover, :focus-within)") ? clearLater(time) : clearNotice()), time);
}

export function clearNotice() {
  find("#notice").replaceChildren();
}
