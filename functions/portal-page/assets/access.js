// Which actions the page offers. The server decides; this only avoids offering what it would reject.

/** @import { Access, Permission, Status, User } from "../types/api.js" */

/** @typedef {Pick<User, "id" | "role" | "permissions">} Holder A user, who may be removed. */

/**
 * The permissions that a role has by default, and all that it can have. A test compares them with the server.
 * @type {Record<string, { preset: Permission[], ceiling: Permission[] }>}
 */
export const ROLES = {
  "admin": {
    "preset": ["users.read", "users.add", "users.edit", "users.remove", "users.force_logout", "users.set_permissions", "users.reset_factors", "audit.read"],
    "ceiling": ["users.read", "users.add", "users.edit", "users.remove", "users.force_logout", "users.set_permissions", "users.reset_factors", "audit.read"]
  },
  "manager": {
    "preset": ["users.read", "users.add", "users.edit", "users.force_logout"],
    "ceiling": ["users.read", "users.add", "users.edit", "users.force_logout", "audit.read"]
  },
  "viewer": {
    "preset": ["users.read"],
    "ceiling": ["users.read", "audit.read"]
  }
};

/** Every role that a user can have. */
export const ALL_ROLES = ["primary_admin", ...Object.keys(ROLES)];

/**
 * The roles that `me` can assign: none above their own.
 * @param {User} me
 */
export const assignableRoles = (me) => Object.keys(ROLES).slice(Math.max(0, ALL_ROLES.indexOf(me.role) - 1));

/** All permissions, in the order in which the page shows them. */
export const PERMISSIONS = ROLES.admin.ceiling;

/** @type {Status[]} */
export const STATUSES = ["active", "suspended"];

/**
 * @param {Holder} user
 * @param {Permission} permission
 */
export const holds = (user, permission) => user.permissions.includes(permission);

/**
 * @param {Holder} user
 * @param {Permission[]} permissions
 */
const holdsAll = (user, permissions) => permissions.every((permission) => holds(user, permission));

/**
 * @param {Holder} me
 * @param {Holder} user
 */
export const isSelf = (me, user) => me.id === user.id;

/**
 * Whether `me` may change another user with this permission. Users cannot change a user who has more permissions, and
 * only the primary admin can change the primary admin.
 * @param {Holder} me
 * @param {Holder} user
 * @param {Permission} permission
 */
export const mayChange = (me, user, permission) =>
  !isSelf(me, user) && user.role !== "primary_admin" && holdsAll(me, user.permissions) && holds(me, permission);

/**
 * The time of the last activity if it is later than the last sign-in, and otherwise `null`.
 * @param {User} user
 */
export const activeSinceSignIn = (user) => user.last_active_at === user.last_sign_in_at ? null : user.last_active_at;

/**
 * Which parts of a user `me` may edit.
 * @param {User} me
 * @param {User} user
 */
export function mayEdit(me, user) {
  const isOwn = isSelf(me, user);
  const mayEditOther = mayChange(me, user, "users.edit");
  return {
    name: isOwn || mayEditOther,
    email: isOwn ? holds(me, "users.edit") : mayEditOther,
    password: isOwn || mayEditOther,
    access: mayChange(me, user, "users.set_permissions"),
  };
}

/**
 * What `me` may decide about `user` in an access review.
 * @param {User} me
 * @param {User} user
 * @param {Access | null} reduced
 */
export function mayDecide(me, user, reduced) {
  const remove = mayChange(me, user, "users.remove");
  return {
    // This does not change the user, so it is allowed for the primary admin too.
    keep: !isSelf(me, user) && holdsAll(me, user.permissions) && holds(me, "users.set_permissions"),
    reduce: mayChange(me, user, "users.set_permissions") && reduced !== null && holdsAll(me, reduced.permissions),
    suspend: remove && user.status === "active",
    remove,
  };
}
