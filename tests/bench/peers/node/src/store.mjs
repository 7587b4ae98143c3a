// Shared by the functions: one strongly consistent read of the caller and the target, transactions, and ids.
import { randomBytes } from "node:crypto";
import { BatchGetItemCommand, DynamoDBClient, TransactWriteItemsCommand } from "@aws-sdk/client-dynamodb";
import { marshall, unmarshall } from "@aws-sdk/util-dynamodb";
import { Problem } from "./runtime.mjs";

export const { USERS_TABLE, CREDENTIALS_TABLE, SESSIONS_TABLE, AUDIT_TABLE } = process.env;
export const dynamodb = new DynamoDBClient({});

export const partnerKey = (partner) => ({ pk: `PARTNER#${partner}`, sk: "PARTNER" });
export const userKey = (partner, user) => ({ pk: `PARTNER#${partner}`, sk: `USER#${user}` });

export async function read(event, permission, keysFor = () => []) {
  const { token_use, username, origin_jti } = event.requestContext.authorizer.jwt.claims;
  if (token_use !== "access") throw new Problem(401, "unauthenticated");
  const [partner, user, generation] = username.split(".");
  const session = { pk: `USER#${user}`, sk: `SESSION#${origin_jti}` };
  const users = [userKey(partner, user), ...keysFor(partner)];
  const { Responses: found } = await dynamodb.send(
    new BatchGetItemCommand({
      RequestItems: {
        [USERS_TABLE]: { ConsistentRead: true, Keys: users.map((key) => marshall(key)) },
        [SESSIONS_TABLE]: { ConsistentRead: true, Keys: [marshall(session)] },
      },
    }),
  );
  const rows = found[USERS_TABLE].map((item) => completed(unmarshall(item)));
  const at = ({ pk, sk }) => rows.find((row) => row.pk === pk && row.sk === sk);
  const caller = at(userKey(partner, user));
  const stored = found[SESSIONS_TABLE][0] && unmarshall(found[SESSIONS_TABLE][0]);
  const live =
    caller?.status === "active" &&
    stored?.generation === caller.session_generation &&
    stored.generation === Number(generation) &&
    stored.expires_at > Date.now() / 1000;
  if (!live) throw new Problem(401, "session_ended");
  if (!caller.permissions.includes(permission)) throw new Problem(403, "missing_permission");
  return { caller, session, partner, at };
}

export function mayTouch(caller, target) {
  if (target === undefined) throw new Problem(404, "not_found");
  if (target.role === "primary_admin") throw new Problem(403, "primary_admin_protected");
  if (!target.permissions.every((permission) => caller.permissions.includes(permission))) {
    throw new Problem(403, "exceeds_own_permissions");
  }
}

const checked = (TableName, key, expression, values) => ({
  ConditionCheck: {
    TableName,
    Key: marshall(key),
    ConditionExpression: `attribute_exists(pk)${expression}`,
    ...(values && { ExpressionAttributeValues: marshall(values) }),
  },
});

// The conditions that the caller's authority and session have not changed since the read.
export const vouched = ({ caller, session, partner }) => [
  checked(USERS_TABLE, userKey(partner, caller.id), " AND access_version = :v", { ":v": caller.access_version }),
  checked(SESSIONS_TABLE, session, ""),
];

const ALL = [
  "users.read", "users.add", "users.edit", "users.remove", "users.force_logout", "users.set_permissions", "audit.read",
];
const DEFAULTS = {
  manager: ["users.read", "users.add", "users.edit", "users.force_logout"],
  viewer: ["users.read"],
};

// Adds what a stored user leaves out, and writes times as text.
export function completed(user) {
  if (user.name_key === undefined) return user;
  const id = user.sk.slice("USER#".length);
  const text = (at) => (at === undefined ? null : new Date(at).toISOString());
  return {
    permissions: DEFAULTS[user.role] ?? ALL,
    ...user,
    id,
    partner_id: user.pk.slice("PARTNER#".length),
    created_at: text(user.created_at ?? Number.parseInt(id.slice(4, 16), 16)),
    updated_at: text(user.updated_at),
    signed_out_at: text(user.signed_out_at),
    last_sign_in_at: user.last_sign_in_key.startsWith("-") ? null : user.last_sign_in_key,
  };
}

export const added = (TableName, item) => ({
  Put: { TableName, Item: marshall(item), ConditionExpression: "attribute_not_exists(pk)" },
});

export function recorded({ caller, partner }, event, action, target, before, after, at) {
  const name = (user) => `${user.first_name} ${user.last_name}`;
  const id = newId("evt", at);
  return added(AUDIT_TABLE, {
    pk: `PARTNER#${partner}`, sk: id, id, at: at.toISOString(), action, before, after,
    actor: { kind: "user", id: caller.id, name: name(caller) },
    target: { id: target.id, name: name(target) },
    address: event.requestContext.http.sourceIp,
    request_id: event.requestContext.requestId,
    target_key: `PARTNER#${partner}#USER#${target.id}`,
    actor_key: `PARTNER#${partner}#USER#${caller.id}`,
  });
}

export async function commit(items) {
  await dynamodb.send(new TransactWriteItemsCommand({ TransactItems: items }));
}

export function newId(kind, at) {
  const time = at.getTime().toString(16).padStart(12, "0");
  const random = randomBytes(10).toString("hex");
  return `${kind}_${time}7${random.slice(0, 3)}8${random.slice(3, 18)}`;
}

const SHOWN = [
  "id", "partner_id", "first_name", "last_name", "email", "role", "permissions", "status", "must_change_password",
  "last_sign_in_at", "last_active_at", "signed_out_at", "created_at", "created_by", "updated_at", "version",
];
export const shown = (user) => Object.fromEntries(SHOWN.map((name) => [name, user[name] ?? null]));
