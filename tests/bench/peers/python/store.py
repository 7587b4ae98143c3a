"""Shared by the functions: one strongly consistent read of the caller and the target, transactions, and ids."""

import os
import secrets
import time
from datetime import datetime, timezone
from decimal import Decimal

import boto3
from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from runtime import Problem

USERS = os.environ["USERS_TABLE"]
SESSIONS = os.environ["SESSIONS_TABLE"]
CREDENTIALS = os.environ.get("CREDENTIALS_TABLE")
AUDIT = os.environ.get("AUDIT_TABLE")

dynamodb = boto3.client("dynamodb")
serializer, deserializer = TypeSerializer(), TypeDeserializer()

SHOWN = (
    "id partner_id first_name last_name email role permissions status must_change_password last_sign_in_at last_active_at"
    " signed_out_at created_at created_by updated_at version"
).split()


ALL = "users.read users.add users.edit users.remove users.force_logout users.set_permissions audit.read".split()
DEFAULTS = {"manager": "users.read users.add users.edit users.force_logout".split(), "viewer": ["users.read"]}


def item(values):
    return {name: serializer.serialize(value) for name, value in values.items()}


def row(stored):
    values = {name: deserializer.deserialize(value) for name, value in stored.items()}
    values = {name: int(value) if isinstance(value, Decimal) else value for name, value in values.items()}
    return completed(values) if "name_key" in values else values


def completed(user):
    """Adds what a stored user leaves out, and writes times as text."""
    user_id, signed_in = user["sk"].removeprefix("USER#"), user["last_sign_in_key"]
    times = {"created_at": int(user_id[4:16], 16), "updated_at": None, "signed_out_at": None}
    texts = {name: text(user.get(name, default)) for name, default in times.items()}
    return {
        "permissions": DEFAULTS.get(user["role"], ALL),
        **user,
        **texts,
        "id": user_id,
        "partner_id": user["pk"].removeprefix("PARTNER#"),
        "last_sign_in_at": None if signed_in.startswith("-") else signed_in,
    }


def millis(at):
    return int(at.timestamp() * 1000)


def text(at):
    return None if at is None else written(datetime.fromtimestamp(at / 1000, timezone.utc))


def partner_key(partner):
    return {"pk": f"PARTNER#{partner}", "sk": "PARTNER"}


def user_key(partner, user):
    return {"pk": f"PARTNER#{partner}", "sk": f"USER#{user}"}


class Context:
    def __init__(self, event, permission, keys_for=lambda partner: []):
        claims = event["requestContext"]["authorizer"]["jwt"]["claims"]
        if claims["token_use"] != "access":
            raise Problem(401, "unauthenticated")
        self.event = event
        self.partner, user, generation = claims["username"].split(".")
        self.session = {"pk": f"USER#{user}", "sk": f"SESSION#{claims['origin_jti']}"}
        caller_key = user_key(self.partner, user)
        found = dynamodb.batch_get_item(
            RequestItems={
                USERS: {
                    "ConsistentRead": True,
                    "Keys": [item(key) for key in [caller_key, *keys_for(self.partner)]],
                },
                SESSIONS: {"ConsistentRead": True, "Keys": [item(self.session)]},
            }
        )["Responses"]
        rows = [row(stored) for stored in found[USERS]]
        self.rows = {(found["pk"], found["sk"]): found for found in rows}
        self.caller = self.at(caller_key)
        session = row(found[SESSIONS][0]) if found[SESSIONS] else None
        is_live = (
            self.caller is not None
            and session is not None
            and self.caller["status"] == "active"
            and session["generation"] == self.caller["session_generation"] == int(generation)
            and session["expires_at"] > time.time()
        )
        if not is_live:
            raise Problem(401, "session_ended")
        if permission not in self.caller["permissions"]:
            raise Problem(403, "missing_permission")

    def at(self, key):
        return self.rows.get((key["pk"], key["sk"]))

    def may_touch(self, target):
        if target is None:
            raise Problem(404, "not_found")
        if target["role"] == "primary_admin":
            raise Problem(403, "primary_admin_protected")
        if not set(target["permissions"]) <= set(self.caller["permissions"]):
            raise Problem(403, "exceeds_own_permissions")

    def vouched(self):
        """Returns the conditions that the caller's authority and session have not changed since the read."""
        return [
            {
                "ConditionCheck": {
                    "TableName": USERS,
                    "Key": item(user_key(self.partner, self.caller["id"])),
                    "ConditionExpression": "attribute_exists(pk) AND access_version = :v",
                    "ExpressionAttributeValues": item({":v": self.caller["access_version"]}),
                }
            },
            {
                "ConditionCheck": {
                    "TableName": SESSIONS,
                    "Key": item(self.session),
                    "ConditionExpression": "attribute_exists(pk)",
                }
            },
        ]

    def recorded(self, action, target, before, after, at):
        def person(user):
            return {"id": user["id"], "name": f"{user['first_name']} {user['last_name']}"}

        event_id = new_id("evt", at)
        http = self.event["requestContext"]
        return added(
            AUDIT,
            {
                "pk": f"PARTNER#{self.partner}",
                "sk": event_id,
                "id": event_id,
                "at": written(at),
                "action": action,
                "actor": {"kind": "user", **person(self.caller)},
                "target": person(target),
                "address": http["http"]["sourceIp"],
                "request_id": http["requestId"],
                "before": before,
                "after": after,
                "target_key": f"PARTNER#{self.partner}#USER#{target['id']}",
                "actor_key": f"PARTNER#{self.partner}#USER#{self.caller['id']}",
            },
        )


def added(table, values):
    return {"Put": {"TableName": table, "Item": item(values), "ConditionExpression": "attribute_not_exists(pk)"}}


def commit(items):
    dynamodb.transact_write_items(TransactItems=items)


def now():
    return datetime.now(timezone.utc)


def written(at):
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def new_id(kind, at):
    random = secrets.token_hex(10)
    return f"{kind}_{int(at.timestamp() * 1000):012x}7{random[:3]}8{random[3:18]}"


def shown(user):
    return {name: user.get(name) for name in SHOWN}
