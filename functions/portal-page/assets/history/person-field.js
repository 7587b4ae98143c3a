// A field that finds a user by part of the name, and offers the matches in a list.
import { call, isSearch } from "../api.js";
import { holds } from "../access.js";
import { find, listen, nameOf } from "../dom.js";
import { setText } from "../language.js";
import { path } from "../users/requests.js";

const LIMIT = 10;
/** Milliseconds after the last key before a search is sent. */
const SEARCH_DELAY = 250;

/**
 * Turns `input` into such a field.
 * @param {any} input
 * @param {object} options
 * @param {import("../../types/api.js").User} options.me
 * @param {Map<string, string>} options.people Names by id, which the list offers too: removed users are found nowhere else.
 * @param {string} options.id The selected user.
 * @param {(id: string) => void} options.onChange
 */
export function personField(input, { me, people, id, onChange }) {
  const options = document.createElement("datalist");
  options.id = `${input.id}-list`;
  input.setAttribute("list", options.id);
  input.after(options);
  const help = find(`#${input.id}-help`, input.form);
  /** @type {Map<string, string>} */
  const found = new Map();
  let selected = id;
  /** @type {number} */
  let typing;

  /**
   * The name shown for a user; the email distinguishes users with the same name.
   * @param {string} id
   */
  const labelOf = (id) => found.get(id) ?? people.get(id) ?? "";
  const known = () => [...new Set([...found.keys(), ...people.keys()])];

  function refresh() {
    options.replaceChildren(...known().map((id) => new Option(labelOf(id))));
    if (selected && document.activeElement !== input) input.value = labelOf(selected);
  }

  /** @param {string} path */
  async function search(path) {
    if (!holds(me, "users.read")) return;
    try {
      const answer = await call("GET", path);
      for (const user of answer.items ?? [answer]) found.set(user.id, `${nameOf(user)} (${user.email})`);
      refresh();
      if (!selected) select();
    } catch {
      // The list keeps what it has. A failed search does not interrupt the user.
    }
  }

  function select() {
    const text = input.value.trim();
    selected = text && (known().find((id) => labelOf(id) === text) ?? "");
    help.hidden = !text || selected !== "";
    setText(help, isSearch(text) ? "history.choose" : "search.short");
    if (help.hidden) onChange(selected);
  }

  listen(input, "input", () => {
    select();
    clearTimeout(typing);
    const text = input.value.trim();
    if (!isSearch(text) || help.hidden) return;
    typing = setTimeout(() => search(`/v1/users?${new URLSearchParams({ search: text, limit: String(LIMIT) })}`), SEARCH_DELAY);
  });
  help.hidden = true;
  if (id) search(path({ id }));
  return { refresh };
}
