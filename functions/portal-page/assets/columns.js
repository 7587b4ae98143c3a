// The columns of exported lists, with headings and values as the page shows them.
import { actionText, actorText, detailLines, word } from "./history/event-words.js";
import { daysSince, sortableMoment, text } from "./language.js";
import { mailText, pendingText } from "./pending.js";

/** @import { AuditEvent, User } from "../types/api.js" */
/** @import { Column, Line } from "./download.js" */

/**
 * @param {string} at
 * @param {string} [never] The text for no time.
 */
const time = (at, never = "") => (at ? sortableMoment(at) : never);

/**
 * The text for a role, a status or a decision.
 * @param {string} group
 * @param {string} value
 */
const value = (group, value) => value && word(group, value);

/**
 * The permissions of a user with a role. Without a role, the user was removed or the access was not recorded.
 * @param {string} role
 * @param {string} list
 */
function permissions(role, list) {
  if (!role) return "";
  return list ? list.split(" ").map((permission) => word("permission", permission)).join(", ") : text("event.no_permissions");
}

/**
 * The columns for a user, whose fields have a prefix in the API's table.
 * @param {string} prefix
 * @returns {Column[]}
 */
const ofUser = (prefix) => [
  ["user.first_name", (line) => line[`${prefix}first_name`]],
  ["user.last_name", (line) => line[`${prefix}last_name`]],
  ["user.email", (line) => line[`${prefix}email`]],
  ["user.role", (line) => value("role", line[`${prefix}role`])],
  ["user.permissions", (line) => permissions(line[`${prefix}role`], line[`${prefix}permissions`])],
  ["user.status", (line) => value("status", line[`${prefix}status`])],
  ["fact.must_change_password", (line) => text(line[`${prefix}must_change_password`] === "true" ? "event.yes" : "event.no")],
  ["user.last_sign_in", (line) => time(line[`${prefix}last_sign_in_at`], text("users.never"))],
  ["export.added", (line) => time(line[`${prefix}created_at`])],
];

/** @type {Column[]} */
export const USERS = [...ofUser(""), ["export.changed", (line) => time(line.updated_at)], lastActive(""), factor("")];

/** @type {Column[]} */
export const REVIEW = [
  ...ofUser("user_"),
  ["export.password_set", (line) => time(line.password_changed_at)],
  ["export.open_sessions", (line) => line.open_sessions],
  ["review.reasons", reasons],
  ["review.last", (line) => time(line.reviewed_at, text("users.never"))],
  ["record.by", (line) => line.reviewed_by_name],
  ["export.reduced_role", (line) => value("role", line.reduced_role)],
  ["export.reduced_permissions", (line) => permissions(line.reduced_role, line.reduced_permissions)],
  lastActive("user_"),
  factor("user_"),
];

/**
 * The columns of a portal that sends mail, and those of a review there.
 * @type {Column[]}
 */
export const USERS_MAIL = [pending(""), ["user.mail_state", (line) => mailText(/** @type {any} */ (line))]];

/** @type {Column[]} */
export const REVIEW_MAIL = [pending("user_")];

/**
 * @param {string} prefix
 * @returns {Column}
 */
function pending(prefix) {
  return ["user.pending", (line) => {
    const [kind, at] = [line[`${prefix}pending_kind`], line[`${prefix}pending_expires_at`]];
    return pendingText(/** @type {User} */ ({ pending: kind ? { kind, expires_at: at } : null }), sortableMoment);
  }];
}

/**
 * @param {string} prefix
 * @returns {Column}
 */
function lastActive(prefix) {
  return ["export.last_active", (line) => time(line[`${prefix}last_active_at`], text("users.never"))];
}

/**
 * @param {string} prefix
 * @returns {Column}
 */
function factor(prefix) {
  return ["fact.second_factor", (line) => text(line[`${prefix}second_factor`] === "none" ? "event.no" : "event.yes")];
}

/** @param {Line} line */
function reasons({ reasons, user_last_active_at: at }) {
  if (!reasons) return text("review.nothing");
  return reasons.split(" ").map((reason) => text(`reason.${reason}`, { total: at && daysSince(at) })).join(" · ");
}

/** @type {Column[]} */
export const RECORD = [
  ["history.when", (line) => time(line.at)],
  ["record.user", (line) => line.user_name],
  ["user.email", (line) => line.email],
  ["record.outcome", (line) => value("decision", line.decision)],
  ["review.note", (line) => line.note],
  ["record.by", (line) => line.reviewed_by_name],
  ["export.role_before", (line) => value("role", line.role_before)],
  ["export.role_after", (line) => value("role", line.role_after)],
  ["export.permissions_before", (line) => permissions(line.role_before, line.permissions_before)],
  ["export.permissions_after", (line) => permissions(line.role_after, line.permissions_after)],
  ["export.status_before", (line) => value("status", line.status_before)],
  ["export.status_after", (line) => value("status", line.status_after)],
];

/** @type {Column[]} */
export const HISTORY = [
  ["history.when", (line) => time(line.at)],
  ["history.who", (line) => actorText(eventOf(line))],
  ["history.what", (line) => actionText(eventOf(line))],
  ["history.whom", (line) => line.target_name],
  ["history.address", (line) => line.address],
  ["export.details", (line) => detailLines(eventOf(line)).join(" · ")],
];

/**
 * The event of a line, as far as its texts need it.
 * @param {Line} line
 */
function eventOf({ action, actor_kind: kind, actor_name: name, before, after }) {
  const event = { action, actor: { kind, name: name || null }, before: JSON.parse(before), after: JSON.parse(after) };
  return /** @type {AuditEvent} */ (event);
}
