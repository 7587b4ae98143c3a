// The passkeys of this browser and of the devices that it reaches (WebAuthn). The portal sends and reads JSON, in which binary values
// are base 64 for URLs.

/** @import { PasskeyCreation, PasskeyRequest } from "../../types/api.js" */

/** This key is in local storage if a passkey was used or added in this browser. */
const USED = "passkey";

/** Hosts of AWS, at which a portal without a domain of its own is. It has no passkeys. */
const AWS_HOST = /\.(amazonaws\.com|cloudfront\.net)$/;

/** Whether there can be passkeys for this page. */
export const hasPasskeys = () => "PublicKeyCredential" in window && !AWS_HOST.test(location.hostname);

/** Whether a passkey was used or added in this browser. */
export const knowsPasskey = () => localStorage.getItem(USED) !== null;

/**
 * The running request. A browser allows one at a time.
 * @type {AbortController | undefined}
 */
let running;

/**
 * Uses a passkey, and resolves to the result, or to `null` if the user or another request has cancelled it.
 * @param {PasskeyRequest} options
 * @param {CredentialMediationRequirement} [mediation] `conditional` offers passkeys among the suggestions for a field.
 */
export const usePasskey = (options, mediation) => request((signal) => {
  const allowCredentials = options.allowCredentials.map(descriptor);
  return navigator.credentials.get({ publicKey: { ...options, challenge: decode(options.challenge), allowCredentials }, mediation, signal });
});

/**
 * Makes a new passkey, and resolves to the result, or to `null` if the user has cancelled it.
 * @param {PasskeyCreation} options
 */
export const createPasskey = (options) => request((signal) => {
  const { challenge, user, excludeCredentials } = options;
  return navigator.credentials.create({ publicKey: {
    ...options,
    challenge: decode(challenge),
    user: { ...user, id: decode(user.id) },
    excludeCredentials: excludeCredentials.map(descriptor),
  }, signal });
});

/** @param {(signal: AbortSignal) => Promise<any>} action */
async function request(action) {
  running?.abort();
  running = new AbortController();
  try {
    const { id, rawId, type, response, authenticatorAttachment } = await action(running.signal);
    localStorage.setItem(USED, "");
    return { id, rawId: encode(rawId), type, authenticatorAttachment, response: fieldsOf(response), clientExtensionResults: {} };
  } catch (error) {
    // The browser does not reveal whether the user has cancelled or the time is over.
    if (["NotAllowedError", "AbortError"].includes(error.name)) return null;
    throw error;
  }
}

/** @param {any} response */
function fieldsOf(response) {
  const names = ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"];
  const given = names.filter((name) => response[name]).map((name) => [name, encode(response[name])]);
  return Object.fromEntries([...given, ...(response.getTransports ? [["transports", response.getTransports()]] : [])]);
}

/** @param {PasskeyRequest["allowCredentials"][number]} passkey */
const descriptor = ({ type, id, transports }) =>
  ({ type, id: decode(id), transports: /** @type {AuthenticatorTransport[]} */ (transports) });

/** @param {ArrayBuffer} bytes */
const encode = (bytes) =>
  btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

/** @param {string} text */
const decode = (text) => Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (letter) => letter.charCodeAt(0));
