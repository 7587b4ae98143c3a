// One user: details, rights, sessions and history, at an address of its own.
import { call, Problem, SessionEnded } from "../api.js";
import { activeSinceSignIn, holds, isSelf, mayChange, mayEdit } from "../access.js";
import { find, make, nameOf, notify, on } from "../dom.js";
import { permissionsOf, showFacts } from "../facts.js";
import { clearMessages, loadErrorMessage, showMessage } from "../forms.js";
import { eventList } from "../history/history.js";
import { ago, languages, moment, text } from "../language.js";
import { menu } from "../menu/menu.js";
import { mailText, pendingText } from "../pending.js";
import { sessionList } from "../sessions/sessions.js";
import { acting } from "../users/acting.js";
import { path } from "../users/requests.js";

/** @import { User } from "../../types/api.js" */
/** @import { Fact } from "../facts.js" */

/**
 * Shows the user whose id is in the address.
 * @param {import("../portal/portal.js").Frame} frame
 */
export function user(frame) {
  const id = new URLSearchParams(location.search).get("id") ?? "";
  const view = frame.show(make("user"), "nav.users");
  const { edit, actionsFor } = acting(frame, view, load);
  /** @type {User | undefined} */
  let shown;
  /** @type {ReturnType<typeof sessionList> | undefined} */
  let sessions;
  /** @type {ReturnType<typeof eventList> | undefined} */
  let events;

  /** Loads the user, and resolves to whether it is shown. Without the user, the page shows the list. */
  async function load() {
    try {
      shown = /** @type {User} */ (await call("GET", path({ id })));
    } catch (error) {
      if (error instanceof SessionEnded || !view.isConnected) return false;
      if (error instanceof Problem && error.status === 404) {
        frame.go("/");
        notify("fault.gone");
        return false;
      }
      const [key, values] = loadErrorMessage(error);
      showMessage(view, key, { values, action: { key: "try_again", do: () => {
        clearMessages(view);
        load();
      } } });
      return false;
    } finally {
      find("main > .starting").hidden = true;
    }
    if (!view.isConnected) return false;
    render(shown);
    sessions?.load();
    events?.load(new URLSearchParams({ user_id: id }));
    return true;
  }

  /** @param {User} user */
  function render(user) {
    const me = frame.me();
    for (const place of view.querySelectorAll("[data-name]")) place.textContent = nameOf(user);
    const may = mayEdit(me, user);
    find('[data-do="edit"]', view).hidden = !may.name && !may.access;
    find('[data-do="more"]', view).hidden = actionsFor(user).length === 0;
    showFacts(find("[data-facts]", view), factsOf(user, me.mail));
    find("[data-details]", view).hidden = false;
    if (!sessions && (isSelf(me, user) || mayChange(me, user, "users.force_logout"))) {
      const section = find("[data-sessions]", view);
      section.hidden = false;
      sessions = sessionList(section, find("h2", section), user);
    }
    if (!events && holds(me, "audit.read")) {
      find("[data-history]", view).hidden = false;
      events = eventList(find("[data-events]", view));
    }
  }

  on(view, "edit", () => { if (shown) edit(shown); });
  menu(find('[data-do="more"]', view), () => (shown ? actionsFor(shown) : []));
  const rerender = () => {
    if (!shown) return;
    render(shown);
    events?.render();
    sessions?.load();
  };
  view.addEventListener("language", rerender);
  view.addEventListener("me", rerender);
  load();
}

/**
 * @param {User} user
 * @param {boolean} hasMail
 * @returns {Fact[]}
 */
function factsOf(user, hasMail) {
  const { email, pending_email: waiting, language, role, permissions, status, second_factor: factor } = user;
  const [signedIn, active, pending] = [user.last_sign_in_at, activeSinceSignIn(user), hasMail ? pendingText(user, moment) : ""];
  return [
    ["user.email", email, waiting ? text("email_change.waiting", { email: waiting }) : hasMail ? mailText(user) : ""],
    ...(hasMail ? [/** @type {Fact} */ (["user.language", String(languages.find(([code]) => code === language)?.[1])])] : []),
    ["user.role", text(`role.${role}`)],
    ["user.permissions", permissionsOf(permissions)],
    ["user.status", text(`status.${status}`), pending],
    ["fact.second_factor", text(`second_factor.${factor}`)],
    ["user.last_sign_in", signedIn ? moment(signedIn) : text("users.never"), active ? text("user.last_active", { ago: ago(active) }) : ""],
    ["user.created", moment(user.created_at)],
  ];
}
