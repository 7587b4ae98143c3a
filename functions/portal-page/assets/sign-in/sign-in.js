// The sign-in page, and the further steps that a sign-in may need.
import * as api from "../api.js";
import { entrance, entry, find, listen, make, on, setTitle, show, whileBusy } from "../dom.js";
import { clearMessages, loadOrNotify, onSubmit, passwordToggle, showError, showMessage } from "../forms.js";
import { setText } from "../language.js";
import { load } from "../load.js";
import { newPassword } from "../new-password/new-password.js";
import { hasPasskeys, knowsPasskey, usePasskey } from "./passkeys.js";

/** @import { Challenge } from "../../types/api.js" */

/** The name of the partner's id in the link's query and in local storage. */
const PARTNER = "partner";

const PARTNER_ID = /^prt_[0-9a-f]{32}$/;

/** The partner in the link. It stays in the address until a sign-in succeeds, so that it survives a reload. */
const linked = () => new URLSearchParams(location.search).get(PARTNER);

const isLinked = () => PARTNER_ID.test(linked() ?? "");

/** The partner to sign in at: from the link, or else the remembered one; null for any partner. */
export const partner = () => [linked(), localStorage.getItem(PARTNER)].find((id) => PARTNER_ID.test(id ?? "")) ?? null;

/**
 * Whether the link is for another partner than this one. Otherwise it leaves the address.
 * @param {string} id
 */
export function isElsewhere(id) {
  if (isLinked() && linked() !== id) return true;
  unlink();
  return false;
}

/** The name of the partner to sign in at, if this browser knows it. */
export const partnerName = () => localStorage.getItem(`${PARTNER}.${partner()}`);

/**
 * Keeps the name of a partner for later sign-ins in this browser.
 * @param {{ id: string, name: string }} partner
 */
export const rememberName = ({ id, name }) => localStorage.setItem(`${PARTNER}.${id}`, name);

export function unlink() {
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
  localStorage.removeItem(`${PARTNER}.${partner()}`);
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
 * @property {string | null} [name] The name of that partner, if it is known.
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
  const view = entrance("sign-in");
  const form = find("form", view);
  const { email: emailInput, password } = form.elements;
  emailInput.value = email;
  const showPassword = passwordToggle(form, password);
  const showPartner = partnerHint(view, { title: "sign_in.title", known: "sign_in.at", unknown: "sign_in.somewhere" });
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
    await proceed(answer, { partner: used, name: partnerName(), email: emailInput.value.trim(), then });
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
  show(view);
  if (fault) showMessage(form, fault);
  else if (reason) showMessage(form, `sign_in.${reason}`, { tone: CHOSEN.includes(reason) ? "good" : "info" });
  else if (linked() && !isLinked()) showMessage(form, "sign_in.bad_link", { tone: "info" });
  (email ? password : emailInput).focus();
  offerPasskeys(view, form, () => ({ email: emailInput.value.trim(), then }));
}

/**
 * Lets the user sign in with a passkey: with the button, and if this browser knows one, also among the suggestions for the email.
 * @param {HTMLElement} view
 * @param {HTMLFormElement} form
 * @param {() => Attempt} attempt
 */
async function offerPasskeys(view, form, attempt) {
  if (!hasPasskeys()) return;
  const button = find('[data-do="passkey"]', view);
  button.hidden = false;

  /** @param {CredentialMediationRequirement} [mediation] */
  async function withPasskey(mediation) {
    try {
      const { session, passkey } = await api.post("/v1/sessions/passkey/options");
      const credential = view.isConnected && await usePasskey(passkey, mediation);
      if (!credential) return;
      clearMessages(form);
      await proceed(await api.answerWithPasskey("/v1/sessions/passkey", session, credential), attempt());
    } catch (error) {
      // Suggestions are an addition, which may be missing.
      if (mediation && !error.status) return;
      if (error.code === "unauthenticated") showMessage(form, "sign_in.wrong_passkey");
      else if (!showExpired(form, error)) showError(form, error);
    }
  }

  on(view, "passkey", () => whileBusy(button, () => withPasskey()));
  if (knowsPasskey() && await PublicKeyCredential.isConditionalMediationAvailable?.()) withPasskey("conditional");
}

/**
 * Shows which partner the form is for, with a button that discards the partner. Returns a function that updates it.
 * @param {HTMLElement} view
 * @param {{ title: string, known: string, unknown: string }} keys The keys of the texts, also for the title of the document.
 */
export function partnerHint(view, { title, known, unknown }) {
  const update = () => {
    const name = partnerName();
    find("[data-partner]", view).hidden = partner() === null;
    setText(find("[data-partner] span", view), name ? known : unknown, { partner: name });
    setTitle(title, name);
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
 * @param {Awaited<ReturnType<typeof api.signIn>>} answer
 * @param {Attempt} attempt
 */
async function proceed(answer, attempt) {
  if (!answer.challenge) {
    unlink();
    if (attempt.partner) localStorage.setItem(PARTNER, attempt.partner);
    await attempt.then();
  } else if (answer.challenge === "choose_partner") choosePartner(answer, attempt);
  else if (answer.challenge === "second_factor") (await load(() => import("../account/use-factor.js"))).useFactor(answer, attempt, proceed);
  else if (answer.challenge === "new_password_required") choosePassword(answer, attempt);
  else (await load(() => import("../account/enrolment.js"))).enrol(answer, attempt, proceed);
}

/**
 * A further step of the sign-in: the view, its form with the elements of a template, and a way back.
 * @param {string} template
 * @param {string} title The key of a text, as is `lead`.
 * @param {string} lead
 * @param {Attempt} attempt
 */
export function step(template, title, lead, { email, then, name }) {
  const view = entrance("step");
  const form = find("form", view);
  form.append(...make(template).children);
  setText(find("h1", view), title);
  setText(find(".lead", view), lead);
  setTitle(title, name);
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
  const { view, form, back, onError } = step("choose-partner", "choose_partner.title", "choose_partner.lead", attempt);
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
    const name = partners.find(({ id }) => id === partner)?.name;
    await proceed(await api.answerChallenge({ challenge, session, partner_id: partner }), { ...attempt, partner, name });
  }, { onError });
  show(view);
  // Do not focus a partner: the user may press Enter twice after typing the password.
  find("h1", view).focus();
}

/**
 * @param {Extract<Challenge, { challenge: "new_password_required" }>} challenge
 * @param {Attempt} attempt
 */
function choosePassword({ challenge, session }, attempt) {
  const { view, form, onError } = step("choose-password", "choose.title", "choose.lead", attempt);
  const { email, name } = attempt;
  form.elements.email.value = email;
  find(".people", view).append(name ? entry(name, email) : entry(email, ""));
  const { input } = newPassword(view, "password", { canGenerate: false });
  onSubmit(form, async () => {
    await proceed(await api.answerChallenge({ challenge, session, new_password: input.value }), attempt);
  }, { onError });
  show(view);
  input.focus();
}
