// The list of a user's sessions. Each can be ended.
import { call, Problem, SessionEnded, signOut } from "../api.js";
import { isSelf } from "../access.js";
import { find, listen, make, nameOf, notify, on, open } from "../dom.js";
import { loadErrorMessage, showError, showMessage } from "../forms.js";
import { moment, setText, text } from "../language.js";

/** @import { Session, User } from "../../types/api.js" */

/**
 * @param {User} me
 * @param {User} user
 */
export function sessions(me, user) {
  const dialog = make("sessions-dialog");
  const list = find("ul", dialog);
  const isOwn = isSelf(me, user);
  const path = `/v1/users/${encodeURIComponent(user.id)}/sessions`;
  setText(find("h2", dialog), isOwn ? "account.sessions" : "sessions.title", { name: nameOf(user) });
  on(dialog, "close", () => dialog.close());

  async function load() {
    find("[data-messages]", dialog).replaceChildren();
    find(".starting", dialog).hidden = false;
    try {
      list.replaceChildren(...(await call("GET", path)).items.map(entry));
      update();
    } catch (error) {
      if (error instanceof SessionEnded || !dialog.isConnected) return;
      const [key, values] = loadErrorMessage(error);
      showMessage(dialog, key, { values, action: { key: "try_again", do: load } });
    } finally {
      find(".starting", dialog).hidden = true;
    }
  }

  function update() {
    find("[data-none]", dialog).hidden = list.children.length > 0;
  }

  /** @param {Session} session */
  function entry(session) {
    const entry = make("session-entry");
    const browser = browserName(session.browser);
    const when = moment(session.created_at);
    find("b", entry).textContent = browser;
    find(".tag", entry).hidden = !session.is_current;
    setText(find(".help", entry), "sessions.since", { when, address: session.address });
    const button = find("button", entry);
    setText(button, session.is_current ? "account.sign_out" : "sessions.end");
    if (!session.is_current) button.setAttribute("aria-label", text("sessions.end_of", { browser, when }));
    listen(button, "click", async () => {
      if (button.getAttribute("aria-disabled") === "true") return;
      button.setAttribute("aria-disabled", "true");
      try {
        await (session.is_current ? signOut() : end(session));
        entry.remove();
        update();
        if (dialog.isConnected) showMessage(dialog, "sessions.ended", { tone: "good", values: { browser } });
        else notify("sessions.ended", { browser });
        find("h2", dialog).focus();
      } catch (error) {
        showError(dialog, error);
      } finally {
        button.removeAttribute("aria-disabled");
      }
    });
    return entry;
  }

  /** @param {Session} session */
  async function end(session) {
    try {
      await call("DELETE", `${path}/${encodeURIComponent(session.id)}`);
    } catch (error) {
      // The session has already ended, perhaps by a request whose response was lost.
      if (!(error instanceof Problem) || error.status !== 404) throw error;
    }
  }

  open(dialog);
  find("h2", dialog).focus();
  load();
}

/**
 * Translates the API's description, which is English: a name, or "name on name".
 * @param {string | null} browser
 */
function browserName(browser) {
  if (!browser) return text("sessions.unknown");
  const [client, system] = browser.split(" on ");
  return system ? text("sessions.browser", { client, system }) : client;
}
