// Actions on one user that need confirmation. Each resolves to whether it was carried out.
import { call, Problem } from "../api.js";
import { isSelf } from "../access.js";
import { confirm } from "../confirm/confirm.js";
import { nameOf } from "../dom.js";

/** @import { Status, User } from "../../types/api.js" */

/**
 * @param {User} user
 * @param {string} [part]
 */
const path = (user, part = "") => `/v1/users/${encodeURIComponent(user.id)}${part}`;

/**
 * @param {User} me
 * @param {User} user
 */
export function forceLogout(me, user) {
  const isOwn = isSelf(me, user);
  return confirm({
    title: isOwn ? "force_logout.own_title" : "force_logout.title",
    message: isOwn ? "force_logout.own_text" : "force_logout.text",
    yes: "users.force_logout",
    values: { name: nameOf(user) },
    action: () => call("POST", path(user, "/force-logout")),
  });
}

/** @param {User} user */
export const suspend = (user) => confirm({
  title: "suspend.title",
  message: "suspend.text",
  yes: "users.suspend",
  values: { name: nameOf(user) },
  field: "reason",
  action: (fields) => setStatus(user, "suspended", fields.reason.value.trim()),
});

/** @param {User} user */
export const reactivate = (user) => confirm({
  title: "reactivate.title",
  message: "reactivate.text",
  yes: "users.reactivate",
  values: { name: nameOf(user) },
  field: "reason",
  isMild: true,
  action: (fields) => setStatus(user, "active", fields.reason.value.trim()),
});

/**
 * @param {User} user
 * @param {Status} status
 * @param {string} reason
 */
const setStatus = (user, status, reason) =>
  call("PUT", path(user, "/status"), { body: reason ? { status, reason } : { status } });

/** @param {User} user */
export const remove = (user) => confirm({
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

/** @param {User} user */
export const handOver = (user) => confirm({
  title: "hand_over.title",
  message: "hand_over.text",
  yes: "users.hand_over",
  values: { name: nameOf(user) },
  field: "current_password",
  action: (fields) =>
    call("POST", "/v1/primary-admin", { body: { user_id: user.id, current_password: fields.current_password.value } }),
});
