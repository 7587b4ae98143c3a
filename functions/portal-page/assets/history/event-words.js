// The texts for an event in the history.
import { hasText, keysOf, languages, list, moment, text } from "../language.js";
import { PERMISSIONS, ROLES } from "../access.js";

/** @import { AuditEvent, Facts } from "../../types/api.js" */

/** The actions in the history, in the order of the filter, which is that of their texts. */
export const actions = keysOf("event").filter((key) => key.includes("."));

/**
 * The text for a word of the API, or the word itself if this page does not know it.
 * @param {string} group
 * @param {string} name
 */
export const word = (group, name) => (hasText(`${group}.${name}`) ? text(`${group}.${name}`) : String(name));

/** @param {AuditEvent} event */
export const actionText = ({ action, before }) =>
  action === "session.ended" && Object.keys(before).length === 0 ? text("event.signed_out") : word("event", action);

/**
 * The name of an operator is marked, since operators choose it themselves and it could be a user's. An actor without a name is
 * shown by its kind.
 * @param {AuditEvent} event
 */
export function actorText({ actor: { kind, name } }) {
  if (kind === "operator" && name) return text("event.named_operator", { name });
  return name ?? word("event", kind);
}

/** @param {string[]} permissions */
export const permissionList = (permissions) =>
  permissions.length > 0 ? list(permissions.map((permission) => word("permission", permission))) : text("event.no_permissions");

/** Facts that other lines show. */
const SHOWN_ELSEWHERE = ["permissions", "session_created_at", "session_address", "session_browser", "attempted", "code", "decision"];

/** The facts to show about a user who was added or removed. */
const USER_FACTS = ["email", "role", "reason"];

/**
 * One line for each fact, with the values before and after.
 * @param {AuditEvent} event
 */
export function detailLines({ before, after }) {
  const lines = [];
  const isWhole = !Object.hasOwn(before, "email") !== !Object.hasOwn(after, "email") && ("role" in before || "role" in after);
  if (after.attempted) lines.push(text("event.attempted", { what: word("attempt", after.attempted) }));
  if (after.code) lines.push(text("event.refused", { why: word("refusal", after.code) }));
  if (after.decision) lines.push(text("event.decision", { what: word("decision", after.decision) }));
  const facts = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  for (const fact of isWhole ? USER_FACTS : facts) {
    if (SHOWN_ELSEWHERE.includes(fact)) continue;
    const [was, is] = [before, after].map((values) => (fact in values ? valueOf(fact, values[fact]) : undefined));
    // The reason for a decision is the note that the page asks for.
    const what = hasText(`user.${fact}`) ? text(`user.${fact}`) : word("fact", fact === "reason" && after.decision ? "note" : fact);
    if (was === is) continue;
    if (was !== undefined && is !== undefined) lines.push(text("event.change", { what, was, is }));
    else lines.push(text("event.fact", { what, value: was ?? is }));
  }
  lines.push(...permissions(before, after, isWhole));
  if (before.session_created_at) {
    const { session_created_at: at, session_address: address, session_browser: browser } = before;
    lines.push(text("event.session", { when: moment(at), address, browser }));
  }
  return lines;
}

/**
 * @param {string} fact
 * @param {any} value
 */
function valueOf(fact, value) {
  if (value === null) return text("event.none");
  if (fact === "role" || fact === "status" || fact === "second_factor") return word(fact, value);
  if (fact === "language") return languages.find(([code]) => code === value)?.[1] ?? value;
  if (typeof value === "boolean") return text(value ? "event.yes" : "event.no");
  return String(value);
}

/**
 * The permissions that were added and removed; nothing if a new user has exactly the defaults of the role.
 * @param {Facts} before
 * @param {Facts} after
 * @param {boolean} isWhole Whether the user was added or removed.
 */
function permissions({ permissions: was = [] }, { permissions: is = [], role }, isWhole) {
  if (isWhole && (was.length > 0 || is.join() === (ROLES[role]?.preset ?? PERMISSIONS).join())) return [];
  /**
   * @param {string} key
   * @param {string[]} permissions
   */
  const line = (key, permissions) => (permissions.length > 0 ? [text(key, { list: permissionList(permissions) })] : []);
  /**
   * @param {string[]} all
   * @param {string[]} others
   */
  const without = (all, others) => all.filter((permission) => !others.includes(permission));
  return [...line("event.given", without(is, was)), ...line("event.taken", without(was, is))];
}
