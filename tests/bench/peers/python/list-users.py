import base64
import json

from runtime import serve
from store import USERS, Context, dynamodb, partner_key, row, shown


def list_users(event):
    context = Context(event, "users.read", lambda partner: [partner_key(partner)])
    limit = int((event.get("queryStringParameters") or {}).get("limit", 25))
    items = dynamodb.query(
        TableName=USERS,
        IndexName="by_name",
        ConsistentRead=True,
        KeyConditionExpression="pk = :pk",
        ExpressionAttributeValues={":pk": {"S": f"PARTNER#{context.partner}"}},
        Limit=limit + 1,
    )["Items"]
    users = [row(stored) for stored in items]
    cursor = None
    if len(users) > limit:
        last = users[limit - 1]
        cursor = base64.urlsafe_b64encode(json.dumps([last["sk"], last["name_key"]]).encode()).decode()
    total = context.at(partner_key(context.partner))["user_count"]
    return 200, {"items": [shown(user) for user in users[:limit]], "next_cursor": cursor, "total": total}


serve(list_users)
