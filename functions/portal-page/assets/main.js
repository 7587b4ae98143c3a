// Entry point: resumes the session in the cookie, or shows the sign-in page.
import { call, isSessionExpected, onSessionEnded, renew, SessionEnded } from "./api.js";
import { find, languageSelect, make, show } from "./dom.js";
import { loadErrorMessage, showMessage } from "./forms.js";
import { loadLanguage, preferredLanguage, setLanguage, translate } from "./language.js";
import { portal } from "./portal/portal.js";
import { signIn } from "./sign-in/sign-in.js";

/** Shows the page in the preferred language, or in the document's if the texts cannot be loaded. */
async function open() {
  const language = preferredLanguage();
  try {
    await loadLanguage(language);
    setLanguage(language);
  } catch {
    // The document's language stays.
  }
  translate(document.documentElement);
  await start();
}

async function start() {
  show(make("starting"));
  if (!isSessionExpected()) {
    signIn({ then: portal });
    return;
  }
  try {
    await renew();
    portal(await call("GET", "/v1/me"));
  } catch (error) {
    if (error instanceof SessionEnded) return;
    // The session may still be valid, so the page offers a retry and no sign-in.
    const view = make("sign-in");
    find("form", view).remove();
    find(".entrance-top", view).append(make("brand"), languageSelect());
    show(view);
    const [key, values] = loadErrorMessage(error);
    showMessage(view, key, { values, action: { key: "try_again", do: start } });
  }
}

onSessionEnded((reason) => {
  document.querySelectorAll("dialog").forEach((dialog) => dialog.remove());
  signIn({ reason, then: portal });
});
open();
