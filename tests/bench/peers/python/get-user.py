from runtime import Problem, serve
from store import Context, shown, user_key


def get_user(event):
    user_id = event["pathParameters"]["user_id"]
    context = Context(event, "users.read", lambda partner: [user_key(partner, user_id)])
    user = context.at(user_key(context.partner, user_id))
    if user is None:
        raise Problem(404, "not_found")
    return 200, shown(user), {"etag": f'"{user["version"]}"'}


serve(get_user)
