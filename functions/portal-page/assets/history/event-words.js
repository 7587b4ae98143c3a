// What an event of the history says, in words.
import { has, list, moment, text } from "../language.js";
import { PERMISSIONS, ROLES } from "../access.js";

/** Everything that is told, in the order in which it is offered as a filter. */
const ACTIONS = {
  user: ["added", "edited", "suspended", "reactivated", "removed"],
  permissions: ["set"],
  password: ["set", "changed"],
  logout: ["forced"],
  session: ["started", "ended"],
  sign_in: ["refused", "blocked"],
  access: ["reviewed"],
  change: ["refused"],
  primary_admin: ["handed_over", "recovered"],
  partner: ["created"],
};

export const actions = Object.entries(ACTIONS).flatMap(([group, names]) => names.map((name) => `${group}.${name}`));

/** The text of a word that the API uses, or the word itself where a later version knows more than this page. */
const word = (group, name) => (has(`${group}.${name}`) ? text(`${group}.${name}`) : String(name));

export const whatOf = ({ action, before }) =>
  action === "session.ended" && Object.keys(before).length === 0 ? text("event.signed_out") : word("event", action);

/**
 * An operator is named as one: the name is what they gave, and could be any user's. Who has no name is named by the kind,
 * also by one that only a later version knows.
 */
export function actorOf({ actor: { kind, name } }) {
  if (kind === "operator" && name) return text("event.named_operator", { name });
  return name ?? word("event", kind);
}

export const permissionList = (permissions) =>
  permissions.length > 0 ? list(permissions.map((permission) => word("permission", permission))) : text("event.no_permissions");

/** Facts that stand in one of the other lines. */
const TOLD_APART = ["permissions", "session_created_at", "session_address", "session_browser", "attempted", "code", "decision"];

/** Of somebody new or gone, only what the name does not say, nor everybody has; and why. */
const OF_A_PERSON = ["email", "role", "reason"];

/** What was before and is now, a line for each fact. */
export function detailsOf({ before, after }) {
  const lines = [];
  const isWhole = !Object.hasOwn(before, "email") !== !Object.hasOwn(after, "email") && ("role" in before || "role" in after);
  if (after.attempted) lines.push(text("event.attempted", { what: word("attempt", after.attempted) }));
  if (after.code) lines.push(text("event.refused", { why: word("refusal", after.code) }));
  if (after.decision) lines.push(text("event.decision", { what: word("decision", after.decision) }));
  const facts = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  for (const fact of isWhole ? OF_A_PERSON : facts) {
    if (TOLD_APART.includes(fact)) continue;
    const [was, is] = [before, after].map((values) => (fact in values ? valueOf(fact, values[fact]) : undefined));
    const what = has(`user.${fact}`) ? text(`user.${fact}`) : word("fact", fact);
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

function valueOf(fact, value) {
  if (fact === "role" || fact === "status") return word(fact, value);
  if (typeof value === "boolean") return text(value ? "event.yes" : "event.no");
  return String(value);
}

/** Which were given, and which taken away; nothing where somebody new has just what the role gives. */
function permissions({ permissions: was = [] }, { permissions: is = [], role }, isWhole) {
  if (isWhole && (was.length > 0 || is.join() === (ROLES[role]?.preset ?? PERMISSIONS).join())) return [];
  const [given, taken] = [is.filter((one) => !was.includes(one)), was.filter((one) => !is.includes(one))];
  return [["event.given", given], ["event.taken", taken]]
    .filter(([, some]) => some.length > 0)
    .map(([key, some]) => text(key, { list: permissionList(some) }));
}
