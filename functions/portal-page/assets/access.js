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

/** Every permission, in the order in which they are shown. */
export const PERMISSIONS = ROLES.admin.ceiling;

export const STATUSES = ["active", "suspended"];

export const holds = (user, permission) => user.permissions.includes(permission);

export const isOneself = (me, user) => me.id === user.id;

/** Nobody acts on somebody who may do more, and nobody but the primary admin on the primary admin. */
const isWithinReach = (me, user) =>
  user.role !== "primary_admin" && user.permissions.every((permission) => holds(me, permission));

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
    remove: reach("users.remove"),
  };
  return { ...may, edit: may.name || may.access };
}
