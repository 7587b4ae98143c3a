import json
import secrets
from datetime import timedelta

from argon2 import PasswordHasher

from runtime import serve
from store import (
    CREDENTIALS, USERS, Context, added, commit, completed, item, millis, new_id, now, partner_key, shown, user_key,
    written,
)

hasher = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)


def add_user(event):
    context = Context(event, "users.add")
    body = json.loads(event["body"])
    password = secrets.token_urlsafe(18)
    digest = hasher.hash(password)

    at = now()
    user_id = new_id("usr", at)
    first, last, email = body["first_name"], body["last_name"], body["email"]
    stored = {
        **user_key(context.partner, user_id), "first_name": first, "last_name": last, "email": email.lower(),
        "role": "admin", "status": "active", "must_change_password": True, "created_by": context.caller["id"],
        "updated_at": millis(at), "version": 1, "access_version": 1, "session_generation": 1, "sign_ins": 0,
        "issued_generation": 0, "password_changed_at": millis(at), "password_version": 1,
        "name_key": f"{last}\u0001{first}".lower(),
        "last_sign_in_key": f"-#{user_id}",
        "review": "a i",
    }
    user = completed(stored)
    commit([
        *context.vouched(),
        added(USERS, stored),
        added(USERS, {
            "pk": f"EMAIL#{user['email']}", "sk": f"PARTNER#{context.partner}",
            "partner_id": context.partner, "user_id": user_id,
        }),
        {
            "Update": {
                "TableName": USERS,
                "Key": item(partner_key(context.partner)),
                "UpdateExpression": "ADD user_count :one",
                "ConditionExpression": "attribute_exists(pk) AND user_count < :limit",
                "ExpressionAttributeValues": item({":one": 1, ":limit": 10000}),
            }
        },
        added(CREDENTIALS, {
            "pk": f"USER#{user_id}", "version": 1, "password_version": 1, "digests": {"present": digest, "previous": []},
            "must_change": True, "must_change_by": written(at + timedelta(days=7)), "changed_at": written(at),
            "machine_secret": secrets.token_urlsafe(32),
        }),
        context.recorded("user.added", user, {}, shown(user), at),
    ])
    headers = {"etag": '"1"', "location": f"/v1/users/{user_id}"}
    return 201, {**shown(user), "generated_password": password}, headers


serve(add_user)
