import { QueryCommand } from "@aws-sdk/client-dynamodb";
import { unmarshall } from "@aws-sdk/util-dynamodb";
import { serve } from "./runtime.mjs";
import { USERS_TABLE, completed, dynamodb, partnerKey, read, shown } from "./store.mjs";

serve(async (event) => {
  const { partner, at } = await read(event, "users.read", (partner) => [partnerKey(partner)]);
  const limit = Number(event.queryStringParameters?.limit ?? 25);
  const { Items: items } = await dynamodb.send(
    new QueryCommand({
      TableName: USERS_TABLE,
      IndexName: "by_name",
      ConsistentRead: true,
      KeyConditionExpression: "pk = :pk",
      ExpressionAttributeValues: { ":pk": { S: `PARTNER#${partner}` } },
      Limit: limit + 1,
    }),
  );
  const users = items.map((item) => completed(unmarshall(item)));
  const last = users.length > limit ? users[limit - 1] : undefined;
  const cursor = last && Buffer.from(JSON.stringify([last.sk, last.name_key])).toString("base64url");
  const body = { items: users.slice(0, limit).map(shown), next_cursor: cursor ?? null };
  return { status: 200, body: { ...body, total: at(partnerKey(partner)).user_count } };
});
