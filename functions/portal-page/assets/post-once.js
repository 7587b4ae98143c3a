// Requests that can be sent again. After an error it is unknown whether a request was carried out.
import { call } from "./api.js";

/**
 * Returns a function that posts a body to this path. The same content has the same key, so it is carried out once.
 * @param {string} path
 */
export function postOnce(path) {
  let sent = { content: "", key: "" };
  /** @param {object} body */
  return (body) => {
    const content = JSON.stringify(body);
    if (sent.content !== content) sent = { content, key: crypto.randomUUID() };
    return call("POST", path, { body, headers: { "idempotency-key": sent.key } });
  };
}
