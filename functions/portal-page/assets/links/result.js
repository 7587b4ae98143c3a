// The end of a step around mailed links: what happened, and buttons for what the user can do next.
import { entrance, find, listen, setTitle, show } from "../dom.js";
import { setText } from "../language.js";

/** @import { Message } from "../language.js" */

/**
 * @param {object} result
 * @param {string} result.title The key of a text, as is `hint`.
 * @param {Message} result.message
 * @param {string} [result.hint]
 * @param {{ label: Message, do: () => unknown }[]} result.choices The first one is the most probable.
 */
export function showResult({ title, message, hint, choices }) {
  const view = entrance("link-result");
  setText(find("h1", view), title);
  setText(find(".lead", view), ...message);
  find(".hint", view).hidden = !hint;
  if (hint) setText(find(".hint", view), hint);
  find(".choices", view).append(...choices.map(({ label, do: action }, index) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = index === 0 ? "primary wide" : "plain wide";
    setText(button, ...label);
    listen(button, "click", () => action());
    return button;
  }));
  setTitle(title);
  show(view);
  find("h1", view).focus();
}
