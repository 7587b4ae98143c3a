// Facts about a user, each with its name and perhaps a remark.
import { find, make } from "./dom.js";
import { setText, text } from "./language.js";

/** @import { Permission } from "../types/api.js" */

/** @typedef {[key: string, value: string | Node, remark?: string]} Fact The key of the name, and what is shown. */

/**
 * Shows the facts in a list.
 * @param {HTMLElement} place
 * @param {Fact[]} facts
 */
export function showFacts(place, facts) {
  place.replaceChildren(...facts.map(([key, value, remark]) => {
    const fact = make("fact");
    setText(find("dt", fact), key);
    find("dd", fact).append(value, ...(remark ? [element("p", "help", remark)] : []));
    return fact;
  }));
}

/**
 * What is shown of permissions: a tag for each.
 * @param {Permission[]} permissions
 */
export function permissionsOf(permissions) {
  if (permissions.length === 0) return text("event.no_permissions");
  return element("ul", "tags", ...permissions.map((name) => element("li", "tag", text(`permission.${name}`))));
}

/**
 * @param {string} name
 * @param {string} className
 * @param {...(string | Node)} content
 */
function element(name, className, ...content) {
  const element = document.createElement(name);
  element.className = className;
  element.append(...content);
  return element;
}
