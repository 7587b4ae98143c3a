// Talks to the API, and holds the session: the access token in this module's memory alone, the refresh token in a cookie
// that no script can read.

/** Whether a session is expected, so that a first visit asks for nothing. Says nothing about who. */
const EXPECTED = "signed_in";

/** Seconds before its end at which an access token is renewed. */
const MARGIN = 30;

const tabs = new BroadcastChannel("session");

let accessToken = null;
let endsAt = 0;
let renewal = null;
let whenOver = () => {};

/** A refusal of the server (RFC 9457), or of the gateway before it, which has no code. */
export class Problem extends Error {
  constructor(status, body, retryAfter) {
    super(`${status} ${body?.code ?? ""}`);
    this.status = status;
    this.code = body?.code ?? "";
    this.errors = body?.errors ?? [];
    this.retryAfter = retryAfter;
  }
}

/** The server is out of reach. Whether it did what it was asked is unknown. */
export class Offline extends Error {}

/** The session is over, and `whenOver` was told. */
export class Over extends Error {}

/** What to do when the session is over; it is told why: ended, expired, elsewhere, signed_out or everywhere. */
export function onOver(action) {
  whenOver = action;
}

tabs.addEventListener("message", ({ data }) => {
  if (data.over && accessToken) over("elsewhere");
  // The cookie is somebody else's now.
  if (data.user && accessToken && data.user !== userOf(accessToken)) location.reload();
});

/** `partner.user.generation`: which user a token is for. */
const userOf = (token) => JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"))).username;

export const isExpected = () => localStorage.getItem(EXPECTED) !== null;

/** Forgets the session and says why. */
export function over(reason) {
  accessToken = null;
  localStorage.removeItem(EXPECTED);
  whenOver(reason);
}

function keep(answer) {
  accessToken = answer.access_token;
  endsAt = performance.now() + (answer.expires_in - MARGIN) * 1000;
  localStorage.setItem(EXPECTED, "");
}

async function send(method, path, { body, headers, signal, token } = {}) {
  const sent = { ...headers };
  if (body !== undefined) sent["content-type"] ??= "application/json";
  if (token) sent.authorization = `Bearer ${token}`;
  let response, answer;
  try {
    const content = typeof body === "string" ? body : body && JSON.stringify(body);
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

/** Where the next page of a table is (RFC 8288), or nothing. */
const nextOf = (response) => response.headers.get("link")?.match(/<([^>]+)>; rel="next"/)?.[1];

/** A call for the user who is signed in. Throws `Problem`, `Offline` or `Over`. */
export async function call(method, path, options = {}) {
  if (performance.now() > endsAt) await renew();
  const used = accessToken;
  try {
    return await authorized(method, path, options);
  } catch (problem) {
    // The gateway's own refusal has no code: it knows the token no longer, and nothing was done.
    if (!(problem instanceof Problem) || problem.status !== 401 || problem.code) throw problem;
  }
  if (used === accessToken) await renew();
  return authorized(method, path, options);
}

async function authorized(method, path, options) {
  try {
    return await send(method, path, { ...options, token: accessToken });
  } catch (problem) {
    if (!(problem instanceof Problem) || problem.code !== "session_ended") throw problem;
    over("ended");
    throw new Over();
  }
}

/** A new access token for the cookie's session. */
export function renew() {
  renewal ??= send("POST", "/v1/sessions/refresh")
    .then(keep, (problem) => {
      if (!(problem instanceof Problem) || problem.status !== 401) throw problem;
      over(problem.code === "session_ended" ? "ended" : "expired");
      throw new Over();
    })
    .finally(() => { renewal = null; });
  return renewal;
}

/** The user, or a challenge (`{challenge, session, …}`) when more is needed. */
export async function signIn(email, password, partner) {
  const body = { email, password, refresh_token_in: "cookie" };
  return begun(await send("POST", "/v1/sessions", { body: partner ? { ...body, partner_id: partner } : body }));
}

/** Answers a challenge of a sign-in. The user, or the next challenge. */
export async function answerChallenge(answer) {
  return begun(await send("POST", "/v1/sessions/challenge", { body: { ...answer, refresh_token_in: "cookie" } }));
}

function begun(answer) {
  if (answer.challenge) return answer;
  keep(answer);
  tabs.postMessage({ user: userOf(accessToken) });
  return answer.user;
}

export async function signOut() {
  await call("DELETE", "/v1/sessions/current");
  tabs.postMessage({ over: true });
  over("signed_out");
}
