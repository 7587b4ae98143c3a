// The sign-in page, and the further steps that a sign-in may need.
import * as api from "../api.js";
import { find, languageSelect, listen, make, on, setTitle, show } from "../dom.js";
import { loadOrNotify, onSubmit, passwordToggle, showMessage } from "../forms.js";
import { setText } from "../language.js";
import { newPassword } from "../new-password/new-password.js";

/** @import { Challenge, User } from "../../types/api.js" */

/** The name of the partner's id in the link's query and in local storage. */
const PARTNER = "partner";

const PARTNER_ID = /^prt_[0-9a-f]{32}$/;

/** The partner in the link. It stays in the address until a sign-in succeeds, so that it survives a reload. */
const linked = () => new URLSearchParams(location.search).get(PARTNER);

const isLinked = () => PARTNER_ID.test(linked() ?? "");

/** The partner to sign in at: from the link, or else the remembered one; null for any partner. */
export const partner = () => [linked(), localStorage.getItem(PARTNER)].find((id) => PARTNER_ID.test(id ?? "")) ?? null;

function unlink() {
  const url = new URL(location.href);
  url.searchParams.delete(PARTNER);
  history.replaceState(history.state, "", url);
}

/**
 * Signs in at this partner next, as after its link.
 * @param {string} id
 */
export const link = (id) => history.replaceState(null, "", `/?${PARTNER}=${id}`);

/** Discards the partner that the next sign-in would use. */
function forget() {
  if (isLinked()) unlink();
  else localStorage.removeItem(PARTNER);
}

/**
 * Reasons for the end of a session that the user chose.
 * @type {(api.EndReason | undefined)[]}
 */
const CHOSEN = ["signed_out", "everywhere", "password_set"];

/**
 * @typedef {object} Attempt
 * @property {string} email
 * @property {() => unknown} then Called after the sign-in.
 * @property {string | null} [partner] The partner that the sign-in named.
 */

/**
 * Asks for email and password.
 * @param {object} options
 * @param {() => unknown} options.then Called after the sign-in.
 * @param {api.EndReason} [options.reason] Why the last session ended.
 * @param {string} [options.fault] Why the sign-in starts again: the key of a text.
 * @param {string} [options.email]
 */
export function signIn({ reason, fault, then, email = "" }) {
  const view = make("sign-in");
  const form = find("form", view);
  const { email: emailInput, password } = form.elements;
  find(".entrance-top", view).append(make("brand"), languageSelect());
  emailInput.value = email;
  const showPassword = passwordToggle(form, password);
  const showPartner = partnerHint(view, "sign_in");
  on(view, "forgot", async () => {
    const part = await loadOrNotify(() => import("../links/forgot.js"));
    // A sign-in may have succeeded in the meantime.
    if (view.isConnected) part?.forgot({ then, email: emailInput.value.trim() });
  });
  /** @type {string | null} */
  let used = null;
  onSubmit(form, async () => {
    used = partner();
    const answer = await api.signIn(emailInput.value.trim(), password.value, used);
    showPassword(false);
    await proceed(answer, { partner: used, email: emailInput.value.trim(), then });
  }, {
    onError: (error) => {
      if (error.code !== "unauthenticated") return showExpired(form, error);
      if (used) {
        showMessage(form, "sign_in.wrong_here", { action: { key: "sign_in.retry", do: () => {
          forget();
          showPartner();
          form.requestSubmit();
        } } });
        // The retry needs the password.
        password.select();
      } else {
        showMessage(form, "sign_in.wrong");
        password.value = "";
      }
      password.focus();
      return true;
    },
  });
  setTitle("title.sign_in");
  show(view);
  if (fault) showMessage(form, fault);
  else if (reason) showMessage(form, `sign_in.${reason}`, { tone: CHOSEN.includes(reason) ? "good" : "info" });
  else if (linked() && !isLinked()) showMessage(form, "sign_in.bad_link", { tone: "info" });
  (email ? password : emailInput).focus();
}

/**
 * Shows which partner the form is for, with a button that discards the partner. Returns a function that updates it.
 * @param {HTMLElement} view
 * @param {"sign_in" | "forgot"} step The group of the texts.
 */
export function partnerHint(view, step) {
  const update = () => {
    find("[data-partner]", view).hidden = partner() === null;
    setText(find("[data-partner] span", view), `${step}.${isLinked() ? "linked" : "remembered"}`);
  };
  on(view, "forget", () => {
    forget();
    update();
    find("[name=email]", view).focus();
  });
  update();
  return update;
}

/**
 * Shows the step for a challenge, or finishes the sign-in, and remembers the partner if the sign-in named one.
 * @param {User | Challenge} answer
 * @param {Attempt} attempt
 */
async function proceed(answer, attempt) {
  if (!("challenge" in answer)) {
    unlink();
    if (attempt.partner) localStorage.setItem(PARTNER, attempt.partner);
    await attempt.then();
  } else if (answer.challenge === "choose_partner") choosePartner(answer, attempt);
  else choosePassword(answer, attempt);
}

/**
 * A step after the password: the view, its form, and a way back to the sign-in.
 * @param {string} template
 * @param {Attempt} attempt
 */
export function step(template, { email, then }) {
  const view = make(template);
  const form = find("form", view);
  find(".entrance-top", view).append(make("brand"), languageSelect());
  // Do nothing while a request is running: it may sign the user in.
  const back = () => {
    if (form.getAttribute("aria-busy") !== "true") signIn({ then, email });
  };
  on(view, "back", back);
  /** @param {any} error */
  const onError = (error) => {
    if (error.code !== "unauthenticated") return showExpired(form, error);
    signIn({ then, email, fault: "choose.over" });
    return true;
  };
  return { view, form, back, onError };
}

/**
 * Shows that the initial password has expired. Returns whether that is the error.
 * @param {HTMLElement} form
 * @param {any} error
 */
function showExpired(form, error) {
  if (error.code !== "initial_password_expired") return false;
  showMessage(form, "sign_in.initial_expired");
  return true;
}

/**
 * @param {Extract<Challenge, { challenge: "choose_partner" }>} challenge
 * @param {Attempt} attempt
 */
function choosePartner({ challenge, session, partners }, attempt) {
  const { view, form, back, onError } = step("choose-partner", attempt);
  find("ul", form).append(...partners.map(({ id, name }) => {
    const item = make("partner");
    find("button", item).value = id;
    find("b", item).textContent = name;
    if (partners.filter((other) => other.name === name).length > 1) find("small", item).textContent = id;
    return item;
  }));
  listen(view, "keydown", ({ key }) => {
    if (key === "Escape") back();
  });
  onSubmit(form, async ({ value: partner }) => {
    await proceed(await api.answerChallenge({ challenge, session, partner_id: partner }), { ...attempt, partner });
  }, { onError });
  setTitle("title.choose_partner");
  show(view);
  // Do not focus a partner: the user may press Enter twice after typing the password.
  find("h1", view).focus();
}

/**
 * @param {Extract<Challenge, { challenge: "new_password_required" }>} challenge
 * @param {Attempt} attempt
 */
function choosePassword({ challenge, session }, attempt) {
  const { view, form, onError } = step("choose-password", attempt);
  const { email } = attempt;
  form.elements.email.value = email;
  const { input } = newPassword(view, "password", { canGenerate: false });
  onSubmit(form, async () => {
    await proceed(await api.answerChallenge({ challenge, session, new_password: input.value }), attempt);
  }, { onError });
  setTitle("title.choose");
  show(view);
  input.focus();
}
