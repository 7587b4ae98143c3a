// The actions on one user, in the order of the user's menu. Each is one object here, with its texts in every language.
import { call, endSession, Problem } from "../api.js";
import { holds, isSelf, mayChange } from "../access.js";
import { confirm } from "../confirm/confirm.js";
import { nameOf } from "../dom.js";
import { loadOrNotify } from "../forms.js";
import { moment } from "../language.js";
import { sessions } from "../sessions/sessions.js";
import { change, path } from "./requests.js";

/** @import { Me, Status, User } from "../../types/api.js" */
/** @import { Question } from "../confirm/confirm.js" */
/** @import { Undo } from "./requests.js" */

/**
 * @typedef {object} UserAction
 * @property {string} key The key of the text in the menu.
 * @property {(me: Me, user: User) => boolean} isAllowed
 * @property {(me: Me, user: User) => unknown} do Returns or resolves to true if it has changed the user, or to values for the
 * notice. Among these, `undo` is a function that undoes the change, and `isRestorable` whether `me` can restore the removed user.
 * @property {string} [done] The key of the notice after a change.
 * @property {boolean} [changesMe] Whether it also changes the signed-in user.
 * @property {boolean} [isDanger]
 */

/** @type {UserAction} */
const showSessions = {
  key: "users.sessions",
  isAllowed: (me, user) => mayChange(me, user, "users.force_logout"),
  do: (_me, user) => sessions(user),
};

/** @type {UserAction} */
const showHistory = {
  key: "nav.history",
  isAllowed: (me) => holds(me, "audit.read"),
  async do(_me, user) {
    const part = await loadOrNotify(() => import("../history/history.js"));
    part?.userHistory(user);
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
 * Sends another invitation, and resolves to the user.
 * @param {User} user
 * @returns {Promise<User>}
 */
export const sendInvitation = (user) => call("POST", path(user, "/invitation"));

/**
 * Where an invitation was sent, and until when it is valid.
 * @param {User} user
 */
export const invitation = ({ email, pending }) => ({ email, until: pending && moment(pending.expires_at) });

/**
 * An action that sends an invitation to users with something of this kind.
 * @param {"invitation" | "initial_password"} kind
 * @param {string} key
 * @returns {UserAction}
 */
const inviteAfter = (kind, key) => ({
  key,
  isAllowed: (me, user) => mayInvite(me, user) && user.pending?.kind === kind,
  async do(_me, user) {
    let invited = user;
    const isDone = await confirm({
      title: "invite.title",
      message: "invite.text",
      yes: key,
      values: { name: nameOf(user), email: user.email },
      isMild: true,
      action: async () => { invited = await sendInvitation(user); },
    });
    return isDone && invitation(invited);
  },
  done: "invite.done",
});

/**
 * One's own is in the view of the account.
 * @type {UserAction}
 */
export const forceLogout = {
  key: "users.force_logout",
  isAllowed: showSessions.isAllowed,
  async do(me, user) {
    const isOwn = isSelf(me, user);
    const isDone = await confirm({
      title: isOwn ? "force_logout.own_title" : "force_logout.title",
      message: isOwn ? "force_logout.own_text" : "force_logout.text",
      yes: isOwn ? "account.everywhere" : "users.force_logout",
      values: { name: nameOf(user) },
      action: () => call("POST", path(user, "/force-logout")),
    });
    if (isDone && isOwn) endSession("everywhere");
    return isDone && !isOwn;
  },
  done: "force_logout.done",
};

/**
 * @param {User} user
 * @param {Status} status
 * @param {string} reason
 */
export const setStatus = (user, status, reason) => change(user, "/status", reason ? { status, reason } : { status });

/**
 * Suspends or reactivates a user after confirmation.
 * @param {User} user
 * @param {Status} status
 * @param {Pick<Question, "title" | "message" | "yes" | "isMild">} question
 */
async function confirmStatus(user, status, question) {
  /** @type {{ undo?: Undo }} */
  let done = {};
  const isDone = await confirm({
    ...question,
    values: { name: nameOf(user) },
    field: "reason",
    action: async (fields) => { done = await setStatus(user, status, fields.reason.value.trim()); },
  });
  return isDone && done;
}

/** @type {UserAction} */
const suspend = {
  key: "users.suspend",
  isAllowed: (me, user) => mayChange(me, user, "users.remove") && user.status === "active",
  do: (_me, user) => confirmStatus(user, "suspended", { title: "suspend.title", message: "suspend.text", yes: "users.suspend" }),
  done: "suspend.done",
};

/** @type {UserAction} */
const reactivate = {
  key: "users.reactivate",
  isAllowed: (me, user) => mayChange(me, user, "users.remove") && user.status === "suspended",
  do: (_me, user) =>
    confirmStatus(user, "active", { title: "reactivate.title", message: "reactivate.text", yes: "users.reactivate", isMild: true }),
  done: "reactivate.done",
};

/** @type {UserAction} */
const resetFactors = {
  key: "users.reset_factors",
  isAllowed: (me, user) => mayChange(me, user, "users.reset_factors") && user.second_factor !== "none",
  do: (_me, user) => confirm({
    title: "reset_factors.title",
    message: "reset_factors.text",
    yes: "reset_factors.do",
    values: { name: nameOf(user) },
    action: () => call("DELETE", path(user, "/factors")),
  }),
  done: "reset_factors.done",
};

/** @type {UserAction} */
const handOver = {
  key: "users.hand_over",
  // A new primary admin must be able to sign in, because no other user could help.
  isAllowed: (me, user) =>
    me.role === "primary_admin" && user.role === "admin" && user.status === "active"
    && user.last_sign_in_at !== null && !user.must_change_password,
  do: (_me, user) => confirm({
    title: "hand_over.title",
    message: "hand_over.text",
    yes: "users.hand_over",
    values: { name: nameOf(user) },
    field: "current_password",
    action: (fields) =>
      call("POST", "/v1/primary-admin", { body: { user_id: user.id, current_password: fields.current_password.value } }),
  }),
  done: "hand_over.done",
  changesMe: true,
};

/** @type {UserAction} */
const remove = {
  key: "users.remove",
  isAllowed: (me, user) => mayChange(me, user, "users.remove"),
  async do(me, user) {
    const isDone = await confirm({
      title: "remove.title",
      message: "remove.text",
      yes: "users.remove",
      values: { name: nameOf(user), email: user.email },
      typed: nameOf(user),
      action: async () => {
        try {
          await call("DELETE", path(user));
        } catch (error) {
          // The user is already removed, perhaps by a request whose response was lost.
          if (!(error instanceof Problem) || error.status !== 404) throw error;
        }
      },
    });
    return isDone && { isRestorable: holds(me, "users.add") };
  },
  done: "remove.done",
  isDanger: true,
};

/** All actions, in the order of the menu. */
export const USER_ACTIONS = [
  showSessions, showHistory, inviteAfter("invitation", "users.invite_again"), inviteAfter("initial_password", "users.invite"), forceLogout,
  resetFactors, suspend, reactivate, handOver, remove,
];
