// Calls the API and holds the session: the access token only in this module's memory, the refresh token in a cookie that no
// script can read.

/** @import { Challenge, ChallengeAnswer, FieldError, ProblemBody, SignedIn, SignIn, Tokens, User } from "../types/api.js" */

/**
 * @typedef {"ended" | "expired" | "elsewhere" | "signed_out" | "everywhere" | "password_set" | "for_email"} EndReason
 *
 * @typedef {object} Options
 * @property {object | Blob} [body] Sent as JSON; a file is sent unchanged.
 * @property {Record<string, string>} [headers]
 * @property {AbortSignal} [signal]
 *
 * @typedef {object} CsvPage
 * @property {string} table
 * @property {string | undefined} next The path of the next page.
 */

/** This key is in local storage while a session is expected, so that a first visit sends no request. */
const EXPECTED = "signed_in";

/** Seconds before its expiry at which an access token is renewed. */
const MARGIN = 30;

/** The code of a problem: the session is not fresh. */
const STALE = "reauthentication_required";

const tabs = new BroadcastChannel("session");

/** @type {string | null} */
let accessToken = null;
let renewAt = 0;
/** @type {Promise<void> | null} */
let renewal = null;
/** @type {(reason: EndReason) => void} */
let whenEnded = () => {};
/** @type {() => Promise<boolean>} */
let authenticateAgain = async () => false;
/** @type {Promise<boolean> | null} */
let authentication = null;
/** The number of times that the user was authenticated again. */
let authentications = 0;

/** An error of the server (RFC 9457), or of the gateway, which sends no code. */
export class Problem extends Error {
  /**
   * @param {number} status
   * @param {ProblemBody | null} body
   * @param {number} retryAfter In seconds.
   */
  constructor(status, body, retryAfter) {
    super(`${status} ${body?.code ?? ""}`);
    this.status = status;
    this.code = body?.code ?? "";
    /** @type {FieldError[]} */
    this.errors = body?.errors ?? [];
    this.readings = body?.readings ?? [];
    this.retryAfter = retryAfter;
  }
}

/** The server is unreachable. It is unknown whether it processed the request. */
export class Offline extends Error {}

/** The session has ended, and the listener of `onSessionEnded` was called. */
export class SessionEnded extends Error {}

/**
 * Registers the only listener for the end of the session.
 * @param {(reason: EndReason) => void} listener
 */
export function onSessionEnded(listener) {
  whenEnded = listener;
}

/**
 * Registers the only listener for a request that needs a fresh session. It resolves to whether the user was authenticated again.
 * @param {() => Promise<boolean>} listener
 */
export function onStaleSession(listener) {
  authenticateAgain = listener;
}

tabs.addEventListener("message", ({ data }) => {
  if (data.ended && accessToken) endSession("elsewhere");
  // Another user signed in: the cookie now belongs to that user.
  if (data.user && accessToken && data.user !== userOf(accessToken)) location.reload();
});

/**
 * `partner.user.generation`: the user of a token.
 * @param {string} token
 */
const userOf = (token) => JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"))).username;

export const isSessionExpected = () => localStorage.getItem(EXPECTED) !== null;

/** Discards the session. */
export function forgetSession() {
  accessToken = null;
  // The end of the session removes the dialog.
  authentication = null;
  localStorage.removeItem(EXPECTED);
}

/**
 * Discards the session and calls the listener.
 * @param {EndReason} reason
 */
export function endSession(reason) {
  forgetSession();
  whenEnded(reason);
}

/** @param {Tokens} tokens */
function keep(tokens) {
  accessToken = tokens.access_token;
  renewAt = performance.now() + (tokens.expires_in - MARGIN) * 1000;
  localStorage.setItem(EXPECTED, "");
}

/**
 * @param {string} method
 * @param {string} path
 * @param {Options & { token?: string | null }} [options]
 * @returns {Promise<any>}
 */
async function send(method, path, { body, headers, signal, token } = {}) {
  /** @type {Record<string, string>} */
  const sent = { ...headers };
  if (body !== undefined) sent["content-type"] ??= "application/json";
  if (token) sent.authorization = `Bearer ${token}`;
  let response, answer;
  try {
    const content = body instanceof Blob ? body : body && JSON.stringify(body);
    response = await fetch(path, { method, headers: sent, body: content, signal });
    answer = await response.text();
  } catch (error) {
    throw error.name === "AbortError" ? error : new Offline(error.message);
  }
  const type = response.headers.get("content-type") ?? "";
  const json = answer && type.includes("json") ? JSON.parse(answer) : null;
  if (!response.ok) throw new Problem(response.status, json, Number(response.headers.get("retry-after")));
  return type.startsWith("text/csv") ? { table: answer, next: nextOf(response) } : json;
}

/**
 * The path of a list's next page (RFC 8288).
 * @param {Response} response
 */
const nextOf = (response) => response.headers.get("link")?.match(/<([^>]+)>; rel="next"/)?.[1];

/**
 * Sends a request as the signed-in user and returns the body. Throws `Problem`, `Offline` or `SessionEnded`. If the request needs a
 * fresh session, the user is authenticated again, and the same request is sent once more. Requests at the same time share this.
 * @param {string} method
 * @param {string} path
 * @param {Options} [options]
 * @returns {Promise<any>} The type in `types/api.d.ts`, or `CsvPage` for a table.
 */
export async function call(method, path, options = {}) {
  const known = authentications;
  try {
    return await renewed(method, path, options);
  } catch (problem) {
    if (!(problem instanceof Problem) || problem.code !== STALE) throw problem;
    if (known === authentications && !await authenticated()) throw problem;
    return renewed(method, path, options);
  }
}

/** Authenticates the user again, and resolves to whether that succeeded. */
async function authenticated() {
  authentication ??= authenticateAgain().finally(() => { authentication = null; });
  const isDone = await authentication;
  if (isDone) authentications += 1;
  return isDone;
}

/**
 * Sends a request with a valid access token.
 * @param {string} method
 * @param {string} path
 * @param {Options} options
 */
async function renewed(method, path, options) {
  if (performance.now() > renewAt) await renew();
  const used = accessToken;
  try {
    return await authorized(method, path, options);
  } catch (problem) {
    // An error of the gateway has no code: it rejected the token before any function ran.
    if (!(problem instanceof Problem) || problem.status !== 401 || problem.code) throw problem;
  }
  if (used === accessToken) await renew();
  return authorized(method, path, options);
}

/**
 * @param {string} method
 * @param {string} path
 * @param {Options} options
 */
async function authorized(method, path, options) {
  try {
    return await send(method, path, { ...options, token: accessToken });
  } catch (problem) {
    if (!(problem instanceof Problem) || problem.code !== "session_ended") throw problem;
    endSession("ended");
    throw new SessionEnded();
  }
}

/**
 * Gets a new access token for the session in the cookie.
 * @returns {Promise<void>}
 */
export function renew() {
  renewal ??= send("POST", "/v1/sessions/refresh")
    .then(keep, (problem) => {
      if (!(problem instanceof Problem) || problem.status !== 401) throw problem;
      endSession(problem.code === "session_ended" ? "ended" : "expired");
      throw new SessionEnded();
    })
    .finally(() => { renewal = null; });
  return renewal;
}

/**
 * Returns what the page uses of a complete sign-in, or a challenge if the sign-in needs another step.
 * @param {string} email
 * @param {string} password
 * @param {string | null} partner
 */
export async function signIn(email, password, partner) {
  /** @type {SignIn} */
  const body = { email, password, refresh_token_in: "cookie" };
  return signedIn(await send("POST", "/v1/sessions", { body: partner ? { ...body, partner_id: partner } : body }));
}

/**
 * Answers a challenge. Returns what the page uses of a complete sign-in, or the next challenge.
 * @param {ChallengeAnswer} answer
 */
export async function answerChallenge(answer) {
  return signedIn(await send("POST", "/v1/sessions/challenge", { body: { ...answer, refresh_token_in: "cookie" } }));
}

/**
 * Signs in with the result of a passkey, or continues a sign-in whose password was right. Returns as `signIn`.
 * @param {"/v1/sessions/passkey" | "/v1/sessions/challenge/passkey"} path
 * @param {string} session
 * @param {object} credential
 */
export async function answerWithPasskey(path, session, credential) {
  return signedIn(await send("POST", path, { body: { session, credential, refresh_token_in: "cookie" } }));
}

/**
 * @param {SignedIn | Challenge} answer
 * @returns {Challenge | { challenge?: undefined, user: User, recovery_codes?: string[] }}
 */
function signedIn(answer) {
  if (answer.challenge) return answer;
  keep(answer);
  tabs.postMessage({ user: userOf(answer.access_token) });
  return { user: answer.user, recovery_codes: answer.recovery_codes };
}

/**
 * Sends a request that needs no session, and returns the body.
 * @param {string} path
 * @param {object} [body]
 * @returns {Promise<any>} The type in `types/api.d.ts`.
 */
export const post = (path, body) => send("POST", path, { body });

export async function signOut() {
  await call("DELETE", "/v1/sessions/current");
  tabs.postMessage({ ended: true });
  endSession("signed_out");
}

/** Characters that a search ignores: accents, points of Hebrew and Arabic, and invisible characters. */
const IGNORED = /[\u0300-\u036f\u0591-\u05bd\u0610-\u061a\u064b-\u065f\u0670\p{Cc}\p{DI}\u0640]/gu;

/**
 * Whether the portal searches for a text this short: two characters, or one of Chinese, Japanese or Korean.
 * @param {string} text
 */
export function isSearch(text) {
  const letters = text.normalize("NFKD").replace(IGNORED, "").trim();
  return ([...letters].length > 1 || /[\u1100-\u11ff\u2e80-\u{10ffff}]/u.test(letters)) && /[^\s,]/.test(letters);
}
