// The list of a user's sessions, each of which can be ended.
import { call, Problem, SessionEnded, signOut } from "../api.js";
import { find, listen, make, notify, whileBusy } from "../dom.js";
import { clearMessages, loadErrorMessage, showError, showMessage } from "../forms.js";
import { moment, setText, text } from "../language.js";
import { path } from "../users/requests.js";

/** @import { Session, User } from "../../types/api.js" */

/**
 * Sets up the list in `root`.
 * @param {HTMLElement} root
 * @param {HTMLElement} title It gets the focus when a session was ended.
 * @param {User} user
 */
export function sessionList(root, title, user) {
  const list = find("ul", root);
  async function load() {
    find(".starting", root).hidden = false;
    try {
      list.replaceChildren(...(await call("GET", path(user, "/sessions"))).items.map(entry));
      update();
    } catch (error) {
      if (error instanceof SessionEnded || !root.isConnected) return;
      const [key, values] = loadErrorMessage(error);
      showMessage(root, key, { values, action: { key: "try_again", do: () => {
        clearMessages(root);
        load();
      } } });
    } finally {
      find(".starting", root).hidden = true;
    }
  }

  function update() {
    find("[data-none]", root).hidden = list.children.length > 0;
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
    listen(button, "click", () => whileBusy(button, async () => {
      try {
        if (session.is_current) {
          await signOut();
          return;
        }
        await end(session);
        entry.remove();
        update();
        if (root.isConnected) showMessage(root, "sessions.ended", { tone: "good", values: { browser } });
        else notify("sessions.ended", { browser });
        title.focus();
      } catch (error) {
        showError(root, error);
      }
    }));
    return entry;
  }

  /** @param {Session} session */
  async function end(session) {
    try {
      await call("DELETE", path(user, `/sessions/${encodeURIComponent(session.id)}`));
    } catch (error) {
      // The session has already ended, perhaps by a request whose response was lost.
      if (!(error instanceof Problem) || error.status !== 404) throw error;
    }
  }

  return { load };
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
