import { Problem, serve } from "./runtime.mjs";
import { read, shown, userKey } from "./store.mjs";

serve(async (event) => {
  const id = event.pathParameters.user_id;
  const { partner, at } = await read(event, "users.read", (partner) => [userKey(partner, id)]);
  const user = at(userKey(partner, id));
  if (user === undefined) throw new Problem(404, "not_found");
  return { status: 200, body: shown(user), headers: { etag: `"${user.version}"` } };
});
