// What is offered to whom. The server decides anyway: this only spares people a refusal.

/** What a role gives unless something else is chosen, and the most that it can hold. Held against the server by a test. */
export const ROLES = {
  "admin": {
    "preset": ["users.read", "users.add", "users.edit", "users.remove", "users.force_logout", "users.set_permissions", "audit.read"],
    "ceiling": ["users.read", "users.add", "users.edit", "users.remove", "users.force_logout", "users.set_permissions", "audit.read"]
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

/** Every role that somebody can have, whether or not it can be given. */
export const EVERY_ROLE = ["primary_admin", ...Object.keys(ROLES)];

/** The roles that `me` can give: none above one's own. */
export const rolesBelow = (me) => Object.keys(ROLES).slice(Math.max(0, EVERY_ROLE.indexOf(me.role) - 1));

/** Every permission, in the order in which they are shown. */
export const PERMISSIONS = ROLES.admin.ceiling;

export const STATUSES = ["active", "suspended"];

export const holds = (user, permission) => user.permissions.includes(permission);

const holdsAll = (user, permissions) => permissions.every((permission) => holds(user, permission));

export const isOneself = (me, user) => me.id === user.id;

/** Nobody acts on somebody who may do more, and nobody but the primary admin on the primary admin. */
const isWithinReach = (me, user) =>
  user.role !== "primary_admin" && holdsAll(me, user.permissions);

/** Nobody could help a primary admin who cannot sign in. */
const hasBegun = (user) => user.last_sign_in_at !== null && !user.must_change_password;

/** What `me` may do to `user`. */
export function mayDo(me, user) {
  const isOwn = isOneself(me, user);
  const reach = (permission) => !isOwn && isWithinReach(me, user) && holds(me, permission);
  const may = {
    name: isOwn || reach("users.edit"),
    email: isOwn ? holds(me, "users.edit") : reach("users.edit"),
    password: isOwn || reach("users.edit"),
    access: reach("users.set_permissions"),
    forceLogout: isOwn || reach("users.force_logout"),
    sessions: isOwn || reach("users.force_logout"),
    history: holds(me, "audit.read"),
    remove: reach("users.remove"),
    suspend: reach("users.remove") && user.status === "active",
    reactivate: reach("users.remove") && user.status === "suspended",
    handOver: me.role === "primary_admin" && user.role === "admin" && user.status === "active" && hasBegun(user),
  };
  return { ...may, edit: may.name || may.access };
}

/** What `me` may decide on `user` in an access review, where `reduced` is what there is to reduce it to, or null. */
export function mayDecide(me, user, reduced) {
  const may = mayDo(me, user);
  return {
    // Nothing of the user changes, so it may be the primary admin.
    keep: !isOneself(me, user) && holdsAll(me, user.permissions) && holds(me, "users.set_permissions"),
    reduce: may.access && reduced !== null && holdsAll(me, reduced.permissions),
    suspend: may.suspend,
    remove: may.remove,
  };
}
