// Signing in, and choosing a password where a sign-in asks for one.
import * as api from "./api.js";
import { find, languageChoice, make, on, setTitle, show } from "./dom.js";
import { onSubmit, showable, tell } from "./forms.js";
import { newPassword } from "./new-password.js";

/** Which partner's portal this is, as the link said that somebody was given. */
const PARTNER = "partner";

function partner() {
  const url = new URL(location.href);
  const given = url.searchParams.get(PARTNER);
  if (given) {
    localStorage.setItem(PARTNER, given);
    url.searchParams.delete(PARTNER);
    history.replaceState(null, "", url);
  }
  return localStorage.getItem(PARTNER);
}

/** Why a session is over, for whom that is good news. */
const CALM = ["signed_out", "everywhere"];

/** Asks for email and password; `then` gets the user. `reason` says why the session before is over. */
export function signIn({ reason, then, email = "" }) {
  const view = make("sign-in");
  const form = find("form", view);
  const { email: emailInput, password } = form.elements;
  find(".entrance-top", view).append(make("brand"), languageChoice());
  emailInput.value = email;
  const see = showable(form, password);
  find("[data-remembered]", view).hidden = partner() === null;
  on(view, "forget", () => {
    localStorage.removeItem(PARTNER);
    find("[data-remembered]", view).hidden = true;
    emailInput.focus();
  });
  onSubmit(form, async () => {
    const answer = await api.signIn(emailInput.value.trim(), password.value, partner());
    see(false);
    if (answer.challenge) choosePassword({ session: answer.session, email: emailInput.value.trim(), then });
    else then(answer);
  }, {
    onFault: (error) => {
      if (error.code === "unauthenticated") {
        password.value = "";
        tell(form, "sign_in.wrong");
        password.focus();
        return true;
      }
      if (error.code === "initial_password_expired") {
        tell(form, "sign_in.initial_expired");
        return true;
      }
      return false;
    },
  });
  setTitle("title.sign_in");
  show(view);
  if (reason) tell(form, `sign_in.${reason}`, { tone: CALM.includes(reason) ? "good" : "info" });
  (email ? password : emailInput).focus();
}

function choosePassword({ session, email, then }) {
  const view = make("choose-password");
  const form = find("form", view);
  find(".entrance-top", view).append(make("brand"), languageChoice());
  form.elements.email.value = email;
  const { input } = newPassword(view, "password", () => ({ email }), { canGenerate: false });
  const back = (key) => {
    signIn({ then, email });
    if (key) tell(find("main form"), key);
  };
  on(view, "back", () => back());
  onSubmit(form, async () => then(await api.answerChallenge(session, input.value)), {
    onFault: (error) => {
      if (error.code !== "unauthenticated") return false;
      back("choose.over");
      return true;
    },
  });
  setTitle("title.choose");
  show(view);
  input.focus();
}
