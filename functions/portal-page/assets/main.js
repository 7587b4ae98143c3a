// Entry point: resumes the session in the cookie, or shows the sign-in page.
import { call, isSessionExpected, onSessionEnded, renew, SessionEnded } from "./api.js";
import { find, languageSelect, make, show } from "./dom.js";
import { loadErrorMessage, showMessage } from "./forms.js";
import { preferredLanguage, setLanguage, translate } from "./language.js";
import { portal } from "./portal/portal.js";
import { signIn } from "./sign-in/sign-in.js";

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

setLanguage(preferredLanguage());
translate(document.documentElement);
onSessionEnded((reason) => {
  document.querySelectorAll("dialog").forEach((dialog) => dialog.remove());
  signIn({ reason, then: portal });
});
start();
