// What is done to one user after a question. Each resolves to whether it was done.
import { call, Problem } from "../api.js";
import { isOneself } from "../access.js";
import { confirm } from "../confirm/confirm.js";
import { nameOf } from "../dom.js";

const path = (user, part = "") => `/v1/users/${encodeURIComponent(user.id)}${part}`;

export function forceLogout(me, user) {
  const isOwn = isOneself(me, user);
  return confirm({
    title: isOwn ? "force_logout.own_title" : "force_logout.title",
    message: isOwn ? "force_logout.own_text" : "force_logout.text",
    yes: "users.force_logout",
    values: { name: nameOf(user) },
    action: () => call("POST", path(user, "/force-logout")),
  });
}

export const suspend = (user) => confirm({
  title: "suspend.title",
  message: "suspend.text",
  yes: "users.suspend",
  values: { name: nameOf(user) },
  asks: "reason",
  action: (fields) => setStatus(user, "suspended", fields),
});

export const reactivate = (user) => confirm({
  title: "reactivate.title",
  message: "reactivate.text",
  yes: "users.reactivate",
  values: { name: nameOf(user) },
  asks: "reason",
  isMild: true,
  action: (fields) => setStatus(user, "active", fields),
});

function setStatus(user, status, fields) {
  const reason = fields.reason.value.trim();
  return call("PUT", path(user, "/status"), { body: reason ? { status, reason } : { status } });
}

export const remove = (user) => confirm({
  title: "delete.title",
  message: "delete.text",
  yes: "users.delete",
  values: { name: nameOf(user), email: user.email },
  typed: nameOf(user),
  action: async () => {
    try {
      await call("DELETE", path(user));
    } catch (error) {
      // Somebody else was quicker, or an answer was lost on the way: it is as was wished.
      if (!(error instanceof Problem) || error.status !== 404) throw error;
    }
  },
});

export const handOver = (user) => confirm({
  title: "hand_over.title",
  message: "hand_over.text",
  yes: "users.hand_over",
  values: { name: nameOf(user) },
  asks: "current_password",
  action: (fields) =>
    call("POST", "/v1/primary-admin", { body: { user_id: user.id, current_password: fields.current_password.value } }),
});
