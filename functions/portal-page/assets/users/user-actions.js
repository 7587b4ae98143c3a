// The actions on one user, in the order of the user's menu. Each is one object here, with its texts in every language. What it does is
// loaded when it is chosen: `perform.js`.
import { holds, mayChange } from "../access.js";
import { moment } from "../language.js";

/** @import { Me, User } from "../../types/api.js" */

/**
 * @typedef {object} Performed What an action does.
 * @property {(me: Me, user: User) => unknown} do Returns or resolves to true if it has changed the user, or to values for the
 * notice. Among these, `undo` is a function that undoes the change, and `isRestorable` whether `me` can restore the removed user.
 * @property {string} [done] The key of the notice after a change.
 * @property {boolean} [changesMe] Whether it also changes the signed-in user.
 *
 * @typedef {object} UserAction
 * @property {string} key The key of the text in the menu.
 * @property {(me: Me, user: User) => boolean} isAllowed
 * @property {() => Promise<Performed>} load
 * @property {boolean} [isDanger]
 */

const performed = () => import("./perform.js");

/** @type {UserAction} */
const showSessions = {
  key: "users.sessions",
  isAllowed: (me, user) => mayChange(me, user, "users.force_logout"),
  load: async () => (await performed()).showSessions,
};

/** @type {UserAction} */
const showHistory = {
  key: "nav.history",
  isAllowed: (me) => holds(me, "audit.read"),
  load: async () => {
    const { userHistory } = await import("../history/history.js");
    return { do: (_me, user) => userHistory(user) };
  },
};

/**
 * Whether `me` may send an invitation to this user, who has not chosen a password.
 * @param {Me} me
 * @param {User} user
 */
export const mayInvite = (me, user) =>
  me.mail && user.pending !== null && user.status === "active" && mayChange(me, user, "users.add");

/**
 * Where an invitation was sent, and until when it is valid.
 * @param {User} user
 */
export const invitation = ({ email, pending }) => ({ email, until: pending && moment(pending.expires_at) });

/**
 * Sends an invitation to users with something of this kind.
 * @param {"invitation" | "initial_password"} kind
 * @param {string} key
 * @returns {UserAction}
 */
const inviteAfter = (kind, key) => ({
  key,
  isAllowed: (me, user) => mayInvite(me, user) && user.pending?.kind === kind,
  load: async () => (await performed()).inviteWith(key),
});

/** @type {UserAction} */
const forceLogout = {
  key: "users.force_logout",
  isAllowed: showSessions.isAllowed,
  load: async () => (await performed()).forceLogout,
};

/** @type {UserAction} */
const suspend = {
  key: "users.suspend",
  isAllowed: (me, user) => mayChange(me, user, "users.remove") && user.status === "active",
  load: async () => (await performed()).suspend,
};

/** @type {UserAction} */
const reactivate = {
  key: "users.reactivate",
  isAllowed: (me, user) => mayChange(me, user, "users.remove") && user.status === "suspended",
  load: async () => (await performed()).reactivate,
};

/** @type {UserAction} */
const resetFactors = {
  key: "users.reset_factors",
  isAllowed: (me, user) => mayChange(me, user, "users.reset_factors") && user.second_factor !== "none",
  load: async () => (await performed()).resetFactors,
};

/** @type {UserAction} */
const handOver = {
  key: "users.hand_over",
  // A new primary admin must be able to sign in, because no other user could help.
  isAllowed: (me, user) =>
    me.role === "primary_admin" && user.role === "admin" && user.status === "active"
    && user.last_sign_in_at !== null && !user.must_change_password,
  load: async () => (await performed()).handOver,
};

/** @type {UserAction} */
const remove = {
  key: "users.remove",
  isAllowed: (me, user) => mayChange(me, user, "users.remove"),
  load: async () => (await performed()).remove,
  isDanger: true,
};

/** All actions, in the order of the menu. */
export const USER_ACTIONS = [
  showSessions, showHistory, inviteAfter("invitation", "users.invite_again"), inviteAfter("initial_password", "users.invite"), forceLogout,
  resetFactors, suspend, reactivate, handOver, remove,
];
