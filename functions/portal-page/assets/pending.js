// The state of users who have not chosen a password yet, and of mail to a user's email.
import { day, text } from "./language.js";

/** @import { User } from "../types/api.js" */

/** The values of the filter by state, in the order in which the page shows them. */
export const PENDING_STATES = ["waiting", "expired"];

/**
 * What the user was given to choose a first password, and until when it is valid. Empty if the user has chosen one.
 * @param {Pick<User, "pending">} user
 * @param {(time: string) => string} [format] Formats the time.
 */
export function pendingText({ pending }, format = day) {
  if (!pending) return "";
  const isExpired = new Date(pending.expires_at).valueOf() <= Date.now();
  return text(`pending.${pending.kind}${isExpired ? "_expired" : ""}`, { until: format(pending.expires_at) });
}

/**
 * What the mail service reported about the user's email. Empty if it reported no problem.
 * @param {Pick<User, "mail_state">} user
 */
export const mailText = ({ mail_state: state }) => (state === "ok" ? "" : text(`mail_state.${state}`));
