// Making and finding parts of the page. Data only ever becomes text: nothing here reads markup.
import { choose, current, languages, say, translate } from "./language.js";

/** The only element that `selector` finds in `root`. */
export const find = (selector, root = document) => root.querySelector(selector);

/** A copy of a template's element, in the present language. */
export function make(template) {
  const element = document.getElementById(template).content.firstElementChild.cloneNode(true);
  translate(element);
  return element;
}

/** Puts this one element on the page. */
export function show(element) {
  find("#view").replaceChildren(element);
}

/** Does `action` at a click on the element with this `data-do`. */
export function on(root, name, action) {
  find(`[data-do="${name}"]`, root)?.addEventListener("click", action);
}

/** Opens a dialog; it is gone from the page once it closes. */
export function open(dialog) {
  document.body.append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  dialog.showModal();
  return dialog;
}

/** The first letters of a person's names. */
export const initials = (user) =>
  [user.first_name, user.last_name].map((name) => [...name.trim()][0] ?? "").join("").toLocaleUpperCase();

export const nameOf = (user) => `${user.first_name} ${user.last_name}`;

/** An entry of a list: somebody or something, and a word on it. */
export function entry(name, word) {
  const entry = make("entry");
  find("b", entry).textContent = name;
  find("span", entry).textContent = word;
  return entry;
}

/** The choice of a language. The view that is shown hears of a change. */
export function languageChoice() {
  const select = make("language-choice");
  for (const [code, name] of languages) {
    const option = new Option(name, code);
    option.lang = code;
    select.add(option);
  }
  select.value = current();
  select.addEventListener("change", () => {
    choose(select.value);
    translate(document.documentElement);
    find("#view").firstElementChild.dispatchEvent(new Event("language"));
  });
  return select;
}

export const setTitle = (key) => say(find("title"), key);

let noticeEnds;

/** Says in passing what was done. */
export function notify(key, values) {
  const notice = find("#notice");
  say(notice, key, values);
  clearTimeout(noticeEnds);
  noticeEnds = setTimeout(unnotify, 8000);
}

export function unnotify() {
  const notice = find("#notice");
  delete notice.dataset.t;
  notice.textContent = "";
}
