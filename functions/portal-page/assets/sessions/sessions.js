// Where a user is signed in, and an end to any of it.
import { call, Over, Problem, signOut } from "../api.js";
import { isOneself } from "../access.js";
import { find, make, nameOf, notify, on, open } from "../dom.js";
import { aboutLoading, fault, tell } from "../forms.js";
import { moment, say, text } from "../language.js";

export function sessions(me, user) {
  const dialog = make("sessions-dialog");
  const list = find("ul", dialog);
  const isOwn = isOneself(me, user);
  const path = `/v1/users/${encodeURIComponent(user.id)}/sessions`;
  say(find("h2", dialog), isOwn ? "sessions.own_title" : "sessions.title", { name: nameOf(user) });
  on(dialog, "close", () => dialog.close());

  async function load() {
    find("[data-messages]", dialog).replaceChildren();
    find(".starting", dialog).hidden = false;
    try {
      list.replaceChildren(...(await call("GET", path)).items.map(entry));
      update();
    } catch (error) {
      if (error instanceof Over || !dialog.isConnected) return;
      const [key, options] = aboutLoading(error);
      tell(dialog, key, { ...options, action: { key: "try_again", do: load } });
    } finally {
      find(".starting", dialog).hidden = true;
    }
  }

  function update() {
    find("[data-none]", dialog).hidden = list.children.length > 0;
  }

  function entry(session) {
    const entry = make("session-entry");
    const browser = inWords(session.browser);
    const when = moment(session.created_at);
    find("b", entry).textContent = browser;
    find(".tag", entry).hidden = !session.is_current;
    say(find(".help", entry), "sessions.since", { when, address: session.address });
    const button = find("button", entry);
    say(button, session.is_current ? "account.sign_out" : "sessions.end");
    if (!session.is_current) button.setAttribute("aria-label", text("sessions.end_of", { browser, when }));
    button.addEventListener("click", async () => {
      if (button.getAttribute("aria-disabled") === "true") return;
      button.setAttribute("aria-disabled", "true");
      try {
        await (session.is_current ? signOut() : end(session));
        entry.remove();
        update();
        if (dialog.isConnected) tell(dialog, "sessions.ended", { tone: "good", values: { browser } });
        else notify("sessions.ended", { browser });
        find("h2", dialog).focus();
      } catch (error) {
        fault(dialog, error);
      } finally {
        button.removeAttribute("aria-disabled");
      }
    });
    return entry;
  }

  async function end(session) {
    try {
      await call("DELETE", `${path}/${encodeURIComponent(session.id)}`);
    } catch (error) {
      // It ended by itself, or an answer was lost on the way: it is as was wished.
      if (!(error instanceof Problem) || error.status !== 404) throw error;
    }
  }

  open(dialog);
  find("h2", dialog).focus();
  load();
}

/** The API's words are English: a name, or "name on name". */
function inWords(browser) {
  if (!browser) return text("sessions.unknown");
  const [client, system] = browser.split(" on ");
  return system ? text("sessions.browser", { client, system }) : client;
}
