import {
  AdminDeleteUserCommand, AdminUserGlobalSignOutCommand, CognitoIdentityProviderClient,
} from "@aws-sdk/client-cognito-identity-provider";
import { marshall } from "@aws-sdk/util-dynamodb";
import { serve } from "./runtime.mjs";
import { USERS_TABLE, commit, mayTouch, read, recorded, userKey, vouched } from "./store.mjs";

const cognito = new CognitoIdentityProviderClient({});

serve(async (event) => {
  const id = event.pathParameters.user_id;
  const context = await read(event, "users.force_logout", (partner) => [userKey(partner, id)]);
  const { caller, partner, at: row } = context;
  const target = row(userKey(partner, id));
  mayTouch(caller, target);

  const at = new Date();
  const now = at.toISOString();
  const generation = target.session_generation;
  await commit([
    ...vouched(context),
    {
      Update: {
        TableName: USERS_TABLE,
        Key: marshall(userKey(partner, id)),
        UpdateExpression:
          "SET session_generation = :g, access_version = :a, version = :v, updated_at = :now, signed_out_at = :now",
        ConditionExpression: "attribute_exists(pk) AND version = :v0 AND access_version = :a0",
        ExpressionAttributeValues: marshall({
          ":g": generation + 1, ":a": target.access_version + 1, ":v": target.version + 1, ":now": at.getTime(),
          ":v0": target.version, ":a0": target.access_version,
        }),
      },
    },
    {
      Put: {
        TableName: USERS_TABLE,
        Item: marshall({
          pk: `PARTNER#${partner}`, sk: `ENDED#${id}#${generation}`, partner_id: partner, user_id: id, generation,
          created_at: now, attempts: 0, repair_shard: String(id.charCodeAt(id.length - 1) % 8), repair_due: now,
        }),
      },
    },
    recorded(context, event, "logout.forced", target, {}, {}, at),
  ]);
  const name = { UserPoolId: process.env.USER_POOL_ID, Username: `${partner}.${id}.${generation}` };
  await cognito.send(new AdminUserGlobalSignOutCommand(name));
  await cognito.send(new AdminDeleteUserCommand(name));
  return { status: 200, body: { signed_out_at: now } };
});
