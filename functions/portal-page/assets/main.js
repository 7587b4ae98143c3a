// Where the page begins: resumes the session that the cookie holds, or asks who is there.
import { call, isExpected, Over, onOver, renew } from "./api.js";
import { find, languageChoice, make, show } from "./dom.js";
import { aboutLoading, tell } from "./forms.js";
import { preferred, speak, translate } from "./language.js";
import { portal } from "./portal/portal.js";
import { signIn } from "./sign-in/sign-in.js";

async function start() {
  show(make("starting"));
  if (!isExpected()) return signIn({ then: portal });
  try {
    await renew();
    portal(await call("GET", "/v1/me"));
  } catch (error) {
    if (error instanceof Over) return;
    // The session may well stand, so nobody is asked to sign in.
    const view = make("sign-in");
    find("form", view).remove();
    find(".entrance-top", view).append(make("brand"), languageChoice());
    show(view);
    const [key, options] = aboutLoading(error);
    tell(view, key, { ...options, action: { key: "try_again", do: start } });
  }
}

speak(preferred());
translate(document.documentElement);
onOver((reason) => {
  document.querySelectorAll("dialog").forEach((dialog) => dialog.remove());
  signIn({ reason, then: portal });
});
start();
