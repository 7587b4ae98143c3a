// A field in which somebody is found by typing a part of the name, and chosen from what the browser lists below it.
import { call } from "../api.js";
import { holds } from "../access.js";
import { nameOf } from "../dom.js";
import { say } from "../language.js";

const SEARCH_FROM = 2;
const LIMIT = 10;
/** Milliseconds without a key before a search is sent. */
const TYPING = 250;

/** Makes `input` such a field. `people`, names by id, are offered too: who is gone is found nowhere else. */
export function personField(input, { me, people, id, onChange }) {
  const options = document.createElement("datalist");
  options.id = `${input.id}-list`;
  input.setAttribute("list", options.id);
  input.after(options);
  const help = input.form.querySelector(`#${input.id}-help`);
  const found = new Map();
  let [chosen, typing] = [id, null];

  /** What somebody is called here: emails tell people of one name apart. */
  const labelOf = (id) => found.get(id) ?? people.get(id);
  const known = () => [...new Set([...found.keys(), ...people.keys()])];

  function refresh() {
    options.replaceChildren(...known().map((id) => new Option(labelOf(id))));
    if (chosen && document.activeElement !== input) input.value = labelOf(chosen) ?? "";
  }

  async function look(path) {
    if (!holds(me, "users.read")) return;
    try {
      const answer = await call("GET", path);
      for (const user of answer.items ?? [answer]) found.set(user.id, `${nameOf(user)} (${user.email})`);
      refresh();
      if (!chosen) choose();
    } catch {
      // The list below stays as it is; a search is no reason to interrupt.
    }
  }

  function choose() {
    const text = input.value.trim();
    chosen = text && (known().find((id) => labelOf(id) === text) ?? "");
    help.hidden = !text || chosen !== "";
    if (help.hidden) onChange(chosen);
  }

  input.addEventListener("input", () => {
    choose();
    clearTimeout(typing);
    const text = input.value.trim();
    if (text.length < SEARCH_FROM || help.hidden) return;
    typing = setTimeout(() => look(`/v1/users?${new URLSearchParams({ search: text, limit: LIMIT })}`), TYPING);
  });
  say(help, "history.choose");
  help.hidden = true;
  if (id) look(`/v1/users/${encodeURIComponent(id)}`);
  return { refresh };
}
