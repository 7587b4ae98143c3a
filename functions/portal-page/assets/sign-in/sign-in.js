// Signing in, with the further steps that a sign-in may ask for.
import * as api from "../api.js";
import { find, languageChoice, make, on, setTitle, show } from "../dom.js";
import { onSubmit, showable, tell } from "../forms.js";
import { say } from "../language.js";
import { newPassword } from "../new-password/new-password.js";

/** The partner's name in a link's query, and in what this browser remembers. */
const PARTNER = "partner";

const PARTNER_ID = /^prt_[0-9a-f]{32}$/;

/** What the link names. It stays in the address until a sign-in succeeds, so that a reload keeps it. */
const linked = () => new URLSearchParams(location.search).get(PARTNER);

const isLinked = () => PARTNER_ID.test(linked());

/** At which partner to sign in: the link's, or else the one that is remembered; null for any. */
const partner = () => [linked(), localStorage.getItem(PARTNER)].find((id) => PARTNER_ID.test(id)) ?? null;

function unlink() {
  const url = new URL(location.href);
  url.searchParams.delete(PARTNER);
  history.replaceState(null, "", url);
}

/** Drops the partner that a sign-in would use now. */
function forget() {
  if (isLinked()) unlink();
  else localStorage.removeItem(PARTNER);
}

/** Why a session is over, for whom that is good news. */
const CALM = ["signed_out", "everywhere"];

/**
 * Asks for email and password; `then` gets the user. `reason` says why the session before is over, `fault` why a sign-in
 * begins again.
 */
export function signIn({ reason, fault, then, email = "" }) {
  const view = make("sign-in");
  const form = find("form", view);
  const { email: emailInput, password } = form.elements;
  find(".entrance-top", view).append(make("brand"), languageChoice());
  emailInput.value = email;
  const see = showable(form, password);
  const showPartner = () => {
    find("[data-partner]", view).hidden = partner() === null;
    say(find("[data-partner] span", view), isLinked() ? "sign_in.linked" : "sign_in.remembered");
  };
  on(view, "forget", () => {
    forget();
    showPartner();
    emailInput.focus();
  });
  let used = null;
  onSubmit(form, async () => {
    used = partner();
    const answer = await api.signIn(emailInput.value.trim(), password.value, used);
    see(false);
    proceed(answer, { partner: used, email: emailInput.value.trim(), then });
  }, {
    onFault: (error) => {
      if (error.code !== "unauthenticated") return isExpired(form, error);
      if (used) {
        tell(form, "sign_in.wrong_here", { action: { key: "sign_in.retry", do: () => {
          forget();
          showPartner();
          form.requestSubmit();
        } } });
        // Kept for the other attempt.
        password.select();
      } else {
        tell(form, "sign_in.wrong");
        password.value = "";
      }
      password.focus();
      return true;
    },
  });
  showPartner();
  setTitle("title.sign_in");
  show(view);
  if (fault) tell(form, fault);
  else if (reason) tell(form, `sign_in.${reason}`, { tone: CALM.includes(reason) ? "good" : "info" });
  else if (linked() && !isLinked()) tell(form, "sign_in.bad_link", { tone: "info" });
  (email ? password : emailInput).focus();
}

/** Goes on with what an answer asks for, or with the user, whose partner is remembered if the sign-in named one. */
function proceed(answer, attempt) {
  if (answer.challenge === "choose_partner") return choosePartner(answer, attempt);
  if (answer.challenge) return choosePassword(answer, attempt);
  unlink();
  if (attempt.partner) localStorage.setItem(PARTNER, attempt.partner);
  attempt.then(answer);
}

/** A step after the password: the view, its form, and a way back to the first. */
function step(template, { email, then }) {
  const view = make(template);
  const form = find("form", view);
  find(".entrance-top", view).append(make("brand"), languageChoice());
  /** Not while an answer is under way: it may sign the user in. */
  const back = () => {
    if (form.getAttribute("aria-busy") !== "true") signIn({ then, email });
  };
  on(view, "back", back);
  const onFault = (error) => {
    if (error.code !== "unauthenticated") return isExpired(form, error);
    signIn({ then, email, fault: "choose.over" });
    return true;
  };
  return { view, form, back, onFault };
}

function isExpired(form, error) {
  if (error.code !== "initial_password_expired") return false;
  tell(form, "sign_in.initial_expired");
  return true;
}

function choosePartner({ challenge, session, partners }, attempt) {
  const { view, form, back, onFault } = step("choose-partner", attempt);
  const isNamedTwice = ({ name }) => partners.filter((other) => other.name === name).length > 1;
  find("ul", form).append(...partners.map((one) => {
    const item = make("partner");
    find("button", item).value = one.id;
    find("b", item).textContent = one.name;
    if (isNamedTwice(one)) find("small", item).textContent = one.id;
    return item;
  }));
  view.addEventListener("keydown", ({ key }) => {
    if (key === "Escape") back();
  });
  onSubmit(form, async ({ value: partner }) => {
    proceed(await api.answerChallenge({ challenge, session, partner_id: partner }), { ...attempt, partner });
  }, { onFault });
  setTitle("title.choose_partner");
  show(view);
  // Not a partner: the Enter that sent the password may be pressed twice.
  find("h1", view).focus();
}

function choosePassword({ challenge, session }, attempt) {
  const { view, form, onFault } = step("choose-password", attempt);
  const { email } = attempt;
  form.elements.email.value = email;
  const { input } = newPassword(view, "password", () => ({ email }), { canGenerate: false });
  onSubmit(form, async () => {
    proceed(await api.answerChallenge({ challenge, session, new_password: input.value }), attempt);
  }, { onFault });
  setTitle("title.choose");
  show(view);
  input.focus();
}
