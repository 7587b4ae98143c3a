// A menu that opens below a button and supports the arrow keys.
import { find, listen, make } from "../dom.js";

/**
 * @typedef {{ label: string, do: () => void, isDanger?: boolean, isChecked?: boolean }} Item An item with `isChecked` is a check box,
 * which leaves the menu open.
 */

/**
 * Adds a menu to `button`. `items` is called each time it opens.
 * @param {HTMLButtonElement} button
 * @param {() => Item[]} items
 */
export function menu(button, items) {
  const menu = make("menu");
  button.popoverTargetElement = menu;
  button.after(menu);

  listen(menu, "beforetoggle", ({ newState }) => {
    if (newState !== "open") return;
    menu.setAttribute("aria-label", button.getAttribute("aria-label") ?? button.textContent?.trim());
    menu.replaceChildren(...items().map(({ label, do: action, isDanger, isChecked }) => {
      const item = document.createElement("button");
      item.type = "button";
      item.role = isChecked === undefined ? "menuitem" : "menuitemcheckbox";
      if (isChecked !== undefined) item.setAttribute("aria-checked", String(isChecked));
      item.tabIndex = -1;
      item.textContent = label;
      item.classList.toggle("bad", Boolean(isDanger));
      listen(item, "click", () => {
        if (isChecked === undefined) {
          menu.hidePopover();
          button.focus();
        } else {
          item.setAttribute("aria-checked", String(item.getAttribute("aria-checked") !== "true"));
        }
        action();
      });
      return item;
    }));
    menu.style.visibility = "hidden";
  });
  const place = () => {
    const at = button.getBoundingClientRect();
    const fitsBelow = at.bottom + 6 + menu.offsetHeight < innerHeight;
    const top = fitsBelow ? at.bottom + 6 : Math.max(6, at.top - 6 - menu.offsetHeight);
    menu.style.top = `${top + scrollY}px`;
    menu.style.left = `${Math.max(6, at.right - menu.offsetWidth) + scrollX}px`;
  };
  listen(menu, "toggle", ({ newState }) => {
    if (newState !== "open") {
      removeEventListener("resize", place);
      return;
    }
    place();
    addEventListener("resize", place);
    menu.style.visibility = "";
    find("button", menu).focus();
  });
  listen(button, "keydown", (event) => {
    if (event.key !== "ArrowDown" || event.target !== button) return;
    event.preventDefault();
    menu.showPopover({ source: button });
  });
  listen(menu, "keydown", (event) => {
    const all = [...menu.children];
    const at = all.indexOf(document.activeElement);
    // A letter moves to the next item that begins with it.
    const found = [...all.slice(at + 1), ...all].find((item) => item.textContent.toLowerCase().startsWith(event.key.toLowerCase()));
    if (found && event.key !== " " && !event.ctrlKey && !event.metaKey && !event.altKey) found.focus();
    /** @type {Record<string, number | undefined>} */
    const targets = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 };
    const to = targets[event.key];
    if (event.key === "Tab") menu.hidePopover();
    if (to === undefined) return;
    event.preventDefault();
    all.at(to % all.length).focus();
  });
}
