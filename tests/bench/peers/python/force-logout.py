import os

import boto3

from runtime import serve
from store import USERS, Context, commit, item, millis, now, user_key, written

cognito = boto3.client("cognito-idp")


def force_logout(event):
    user_id = event["pathParameters"]["user_id"]
    context = Context(event, "users.force_logout", lambda partner: [user_key(partner, user_id)])
    partner = context.partner
    target = context.at(user_key(partner, user_id))
    context.may_touch(target)

    at = now()
    generation = target["session_generation"]
    commit([
        *context.vouched(),
        {
            "Update": {
                "TableName": USERS,
                "Key": item(user_key(partner, user_id)),
                "UpdateExpression": (
                    "SET session_generation = :g, access_version = :a, version = :v, updated_at = :now,"
                    " signed_out_at = :now"
                ),
                "ConditionExpression": "attribute_exists(pk) AND version = :v0 AND access_version = :a0",
                "ExpressionAttributeValues": item({
                    ":g": generation + 1, ":a": target["access_version"] + 1, ":v": target["version"] + 1,
                    ":now": millis(at), ":v0": target["version"], ":a0": target["access_version"],
                }),
            }
        },
        {
            "Put": {
                "TableName": USERS,
                "Item": item({
                    "pk": f"PARTNER#{partner}", "sk": f"ENDED#{user_id}#{generation}", "partner_id": partner,
                    "user_id": user_id, "generation": generation, "created_at": written(at), "attempts": 0,
                    "repair_shard": str(ord(user_id[-1]) % 8), "repair_due": written(at),
                }),
            }
        },
        context.recorded("logout.forced", target, {}, {}, at),
    ])
    name = {"UserPoolId": os.environ["USER_POOL_ID"], "Username": f"{partner}.{user_id}.{generation}"}
    cognito.admin_user_global_sign_out(**name)
    cognito.admin_delete_user(**name)
    return 200, {"signed_out_at": written(at)}


serve(force_logout)
