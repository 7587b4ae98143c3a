// What a mailed link opens: choosing a password after an invitation or a reset, and confirming one's own new email.
import { call, forgetSession, isSessionExpected, post, Problem, SessionEnded, signOut } from "../api.js";
import { entrance, entry, find, nameOf, notify, on, setTitle, show } from "../dom.js";
import { errorMessage, loadErrorMessage, onSubmit, showMessage } from "../forms.js";
import { setText } from "../language.js";
import { newPassword } from "../new-password/new-password.js";
import { forgot } from "./forgot.js";
import { showResult } from "./result.js";
import { link as signInAt, rememberName, signIn, unlink } from "../sign-in/sign-in.js";

/** @import { FoundLink, Me } from "../../types/api.js" */

/**
 * @typedef {object} Link
 * @property {"invitation" | "reset" | "email"} kind
 * @property {string} token
 *
 * @typedef {object} Page
 * @property {() => Promise<void>} start Shows the portal, or the sign-in page without a session.
 * @property {(action: () => Promise<void>) => Promise<void>} attempt Shows what an action shows, or a fault with a retry.
 */

/**
 * Shows the step of a link. Throws if the portal cannot be reached; the link can then be followed again.
 * @param {Link} link
 * @param {Page} page
 */
export async function follow(link, page) {
  if (link.kind === "email") await confirmEmail(link, page);
  else await openPassword(link, page);
}

/** Removes the token from the state of the entry in the browser's history. */
const forgetToken = () => history.replaceState(null, "");

/** @param {Page} page */
function leave({ start }) {
  forgetToken();
  start();
}

/**
 * The user of the session in this browser.
 * @returns {Promise<Me | null>}
 */
async function current() {
  if (!isSessionExpected()) return null;
  try {
    return await call("GET", "/v1/me");
  } catch (error) {
    if (error instanceof SessionEnded) return null;
    throw error;
  }
}

/**
 * @param {Link} link
 * @param {Page} page
 */
async function openPassword(link, page) {
  /** @type {FoundLink} */
  let found;
  try {
    found = await post("/v1/password-resets/lookup", { token: link.token });
  } catch (error) {
    if (!(error instanceof Problem) || error.status !== 422) throw error;
    showInvalid(link, page);
    return;
  }
  choosePassword(link, page, found, await current());
}

/**
 * @param {Link} link
 * @param {Page} page
 */
function showInvalid({ kind }, page) {
  const request = { label: /** @type {[string]} */ (["link.request"]), do: () => {
    forgetToken();
    forgot({ then: page.start });
  } };
  showResult({
    title: "link.invalid",
    message: [`link.invalid_${kind}`],
    choices: [...(kind === "reset" ? [request] : []), { label: ["link.leave"], do: () => leave(page) }],
  });
}

/**
 * Asks for the password, and for the names after an invitation.
 * @param {Link} link
 * @param {Page} page
 * @param {FoundLink} found
 * @param {Me | null} me The user of the session in this browser.
 */
function choosePassword(link, page, found, me) {
  const isInvitation = found.kind === "invitation";
  const other = me && (me.partner.id !== found.partner.id || me.email !== found.email) ? me : null;
  const view = entrance("redeem");
  const form = find("form", view);
  const { email, first_name: firstName, last_name: lastName } = form.elements;
  setText(find("h1", view), isInvitation ? "redeem.invitation" : "choose.title");
  setText(find(".lead", view), isInvitation ? "redeem.invitation_lead" : "redeem.reset_lead");
  find(".people", view).append(entry(found.partner.name, isInvitation ? found.email : `${nameOf(found)} · ${found.email}`));
  email.value = found.email;
  find("[data-names]", view).hidden = !isInvitation;
  firstName.value = found.first_name;
  lastName.value = found.last_name ?? "";
  const { input } = newPassword(view, "password", { canGenerate: false });
  on(view, "leave", () => {
    // A running request may set the password.
    if (form.getAttribute("aria-busy") !== "true") leave(page);
  });
  onSubmit(form, async () => {
    const names = isInvitation ? { first_name: firstName.value.trim(), last_name: lastName.value.trim() } : {};
    await post("/v1/password-resets/confirm", { token: link.token, new_password: input.value, ...names });
    forgetToken();
    if (other) showStillSignedIn(page, found, other);
    else signInWithNewPassword(page, found);
  }, {
    onError: (error) => {
      if (error.code !== "invalid_link") return false;
      showInvalid(link, page);
      return true;
    },
  });
  setTitle("choose.title", found.partner.name);
  show(view);
  if (other) showMessage(form, "link.other_session", { values: { name: nameOf(other), email: other.email }, tone: "info" });
  input.focus();
}

/**
 * @param {Page} page
 * @param {FoundLink} found
 */
function signInWithNewPassword({ start }, { partner, email }) {
  // The new password has ended a session of the same user.
  forgetSession();
  rememberName(partner);
  signInAt(partner.id);
  signIn({ reason: "password_set", email, then: start });
}

/**
 * Lets the user choose between the session in this browser and the user of the link.
 * @param {Page} page
 * @param {FoundLink} found
 * @param {Me} me
 */
function showStillSignedIn(page, found, me) {
  showResult({
    title: "redeem.done",
    message: ["redeem.still_signed_in", { name: nameOf(me), email: me.email }],
    choices: [
      { label: ["link.sign_in_as", { email: found.email }], do: () => signInWithNewPassword(page, found) },
      { label: ["link.continue_as", { name: nameOf(me) }], do: () => leave(page) },
    ],
  });
}

/**
 * Lets the user of a session choose whether to follow the link of another partner.
 * @param {Me} me
 * @param {() => Promise<void>} start
 */
export function offerPartner(me, start) {
  const leave = async () => {
    try {
      await signOut();
    } catch (error) {
      if (!(error instanceof SessionEnded)) notify(...loadErrorMessage(error));
    }
  };
  showResult({
    title: "other_partner.title",
    message: ["other_partner.text", { partner: me.partner.name, name: nameOf(me), email: me.email }],
    choices: [
      { label: ["other_partner.stay", { partner: me.partner.name }], do: () => { unlink(); start(); } },
      { label: ["other_partner.go"], do: leave },
    ],
  });
}

/**
 * Confirms the new email of the signed-in user, after a sign-in if there is no session.
 * @param {Link} link
 * @param {Page} page
 */
async function confirmEmail(link, page) {
  const signInFirst = () => signIn({ reason: "for_email", then: () => page.attempt(() => confirmEmail(link, page)) });
  const me = await current();
  if (!me) {
    signInFirst();
    return;
  }
  try {
    const { email } = await call("POST", "/v1/email-changes/confirm", { body: { token: link.token } });
    forgetToken();
    await page.start();
    notify("email_change.done", { email });
  } catch (error) {
    if (error instanceof SessionEnded) {
      signInFirst();
      return;
    }
    if (!(error instanceof Problem) || ![403, 409, 422].includes(error.status) || error.code === "conflict") throw error;
    const values = { name: nameOf(me), email: me.email };
    showResult({
      title: "email_change.fault",
      message: error.status === 422 ? ["email_change.invalid", values] : errorMessage(error),
      choices: [
        { label: ["link.continue_as", values], do: () => leave(page) },
        { label: ["link.other_account"], do: signInFirst },
      ],
    });
  }
}
