import { randomBytes } from "node:crypto";
import { hash } from "@node-rs/argon2";
import { marshall } from "@aws-sdk/util-dynamodb";
import { serve } from "./runtime.mjs";
import {
  CREDENTIALS_TABLE, USERS_TABLE, added, commit, completed, newId, partnerKey, read, recorded, shown, userKey, vouched,
} from "./store.mjs";

serve(async (event) => {
  const context = await read(event, "users.add");
  const { first_name, last_name, email } = JSON.parse(event.body);
  const password = randomBytes(18).toString("base64url");
  const digest = await hash(password, { memoryCost: 19456, timeCost: 2, parallelism: 1 });

  const { caller, partner } = context;
  const at = new Date();
  const now = at.toISOString();
  const id = newId("usr", at);
  const stored = {
    ...userKey(partner, id), first_name, last_name, email: email.toLowerCase(), role: "admin", status: "active",
    must_change_password: true, created_by: caller.id, updated_at: at.getTime(), version: 1, access_version: 1,
    session_generation: 1, sign_ins: 0, issued_generation: 0, password_changed_at: at.getTime(), password_version: 1,
    name_key: `${last_name}\u0001${first_name}`.toLowerCase(),
    last_sign_in_key: `-#${id}`,
    review: "a i",
  };
  const user = completed(stored);
  await commit([
    ...vouched(context),
    added(USERS_TABLE, stored),
    added(USERS_TABLE, { pk: `EMAIL#${user.email}`, sk: `PARTNER#${partner}`, partner_id: partner, user_id: id }),
    {
      Update: {
        TableName: USERS_TABLE,
        Key: marshall(partnerKey(partner)),
        UpdateExpression: "ADD user_count :one",
        ConditionExpression: "attribute_exists(pk) AND user_count < :limit",
        ExpressionAttributeValues: marshall({ ":one": 1, ":limit": 10000 }),
      },
    },
    added(CREDENTIALS_TABLE, {
      pk: `USER#${id}`, version: 1, password_version: 1, digests: { present: digest, previous: [] }, must_change: true,
      must_change_by: new Date(at.getTime() + 7 * 86400e3).toISOString(), changed_at: now,
      machine_secret: randomBytes(32).toString("base64url"),
    }),
    recorded(context, event, "user.added", user, {}, shown(user), at),
  ]);
  const body = { ...shown(user), generated_password: password };
  return { status: 201, body, headers: { etag: '"1"', location: `/v1/users/${id}` } };
});
