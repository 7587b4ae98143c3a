// What the actions on one user do, after confirmation. `user-actions.js` has the actions.
import { call, Problem } from "../api.js";
import { holds } from "../access.js";
import { confirm } from "../confirm/confirm.js";
import { nameOf } from "../dom.js";
import { sessions } from "../sessions/sessions-dialog.js";
import { change, path } from "./requests.js";
import { invitation } from "./user-actions.js";

/** @import { Status, User } from "../../types/api.js" */
/** @import { Question } from "../confirm/confirm.js" */
/** @import { Undo } from "./requests.js" */
/** @import { Performed } from "./user-actions.js" */

/** @type {Performed} */
export const showSessions = {
  do: (_me, user) => sessions(user),
};

/**
 * Sends another invitation, and resolves to the user.
 * @param {User} user
 * @returns {Promise<User>}
 */
export const sendInvitation = (user) => call("POST", path(user, "/invitation"));

/**
 * @param {string} yes
 * @returns {Performed}
 */
export const inviteWith = (yes) => ({
  async do(_me, user) {
    let invited = user;
    const isDone = await confirm({
      title: "invite.title",
      message: "invite.text",
      yes,
      values: { name: nameOf(user), email: user.email },
      isMild: true,
      action: async () => { invited = await sendInvitation(user); },
    });
    return isDone && invitation(invited);
  },
  done: "invite.done",
});

/** @type {Performed} */
export const forceLogout = {
  do: (_me, user) => confirm({
    title: "force_logout.title",
    message: "force_logout.text",
    yes: "users.force_logout",
    values: { name: nameOf(user) },
    action: () => call("POST", path(user, "/force-logout")),
  }),
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

/** @type {Performed} */
export const suspend = {
  do: (_me, user) => confirmStatus(user, "suspended", { title: "suspend.title", message: "suspend.text", yes: "users.suspend" }),
  done: "suspend.done",
};

/** @type {Performed} */
export const reactivate = {
  do: (_me, user) =>
    confirmStatus(user, "active", { title: "reactivate.title", message: "reactivate.text", yes: "users.reactivate", isMild: true }),
  done: "reactivate.done",
};

/** @type {Performed} */
export const resetFactors = {
  do: (_me, user) => confirm({
    title: "reset_factors.title",
    message: "reset_factors.text",
    yes: "reset_factors.do",
    values: { name: nameOf(user) },
    action: () => call("DELETE", path(user, "/factors")),
  }),
  done: "reset_factors.done",
};

/** @type {Performed} */
export const handOver = {
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

/** @type {Performed} */
export const remove = {
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
};
