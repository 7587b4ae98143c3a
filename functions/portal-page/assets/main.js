// Entry point: opens a mailed link, resumes the session in the cookie, or shows the sign-in page.
import { call, isSessionExpected, onSessionEnded, onStaleSession, SessionEnded } from "./api.js";
import { clearNotice, entrance, find, listen, make, show } from "./dom.js";
import { loadErrorMessage, showMessage } from "./forms.js";
import { loadLanguage, preferredLanguage, setLanguage, translate } from "./language.js";
import { load } from "./load.js";
import { portal } from "./portal/portal.js";
import { isElsewhere, signIn } from "./sign-in/sign-in.js";

/** The fragment of a mailed link: what it is for, and its token. */
const LINK = /^#(invitation|reset|email)=(.+)$/;

/**
 * The mailed link that was opened. Its token leaves the address at once, since others may see the address. It stays in the
 * state of the entry in the browser's history, so that a reload does not lose it.
 */
function takeLink() {
  const [, kind, token] = LINK.exec(location.hash) ?? [];
  if (kind) history.replaceState({ kind, token }, "", location.pathname + location.search);
  return history.state?.token ? history.state : null;
}

/** Shows the page in the preferred language, or in the document's if the texts cannot be loaded. */
async function open() {
  const link = takeLink();
  const language = preferredLanguage();
  try {
    await loadLanguage(language);
    setLanguage(language);
  } catch {
    // The document's language stays.
  }
  translate(document.documentElement);
  if (link) await openLink(link);
  else await start();
}

/**
 * Shows what `action` shows, or a fault with a retry.
 * @param {() => Promise<void>} action
 */
async function attempt(action) {
  show(make("starting"));
  try {
    await action();
  } catch (error) {
    if (error instanceof SessionEnded) return;
    const view = entrance("sign-in");
    find("form", view).remove();
    for (const hint of view.querySelectorAll(".hint")) hint.remove();
    show(view);
    const [key, values] = loadErrorMessage(error);
    showMessage(view, key, { values, action: { key: "try_again", do: () => attempt(action) } });
  }
}

/** Opens the portal if there is a session; after a fault the session may still be valid, so the page offers a retry. */
async function start() {
  let email = "";
  onSessionEnded((reason) => {
    document.querySelectorAll("dialog").forEach((dialog) => dialog.remove());
    clearNotice();
    // Users who sign out on purpose may leave the device to another person.
    signIn({ reason, then: start, email: ["signed_out", "everywhere"].includes(reason) ? "" : email });
  });
  if (!isSessionExpected()) {
    signIn({ then: start });
    return;
  }
  await attempt(async () => {
    const me = await call("GET", "/v1/me");
    email = me.email;
    if (isElsewhere(me.partner.id)) (await load(() => import("./links/links.js"))).offerPartner(me, start);
    else portal(me);
  });
}

/** @param {import("./links/links.js").Link} link */
const openLink = (link) => attempt(async () => {
  const { follow } = await load(() => import("./links/links.js"));
  await follow(link, { start, attempt });
});

onStaleSession(async () => (await load(() => import("./account/authenticate.js"))).authenticate());
// The whole text of an element that shows only its beginning.
listen(document, "mouseover", ({ target }) => {
  const clipped = target.closest?.(".clip");
  if (clipped) clipped.title = clipped.scrollWidth > clipped.clientWidth ? clipped.textContent : "";
});
// A link that is opened in a tab with the page does not reload it.
listen(window, "hashchange", () => { if (LINK.test(location.hash)) location.reload(); });
open();
