// Sends the same work to the portal and to Better Auth, in turns, over one connection each, and prints a table.
import { Agent, request } from "node:http";
import { readFileSync, readdirSync } from "node:fs";

const USERS = 1_100;
const TURN = 10;
const PASSWORD = "copper-Lantern-meadow-84";

// A client with one connection.
function client(url) {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return (method, path, headers, body) =>
    new Promise((resolve, reject) => {
      const bytes = body === undefined ? undefined : Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
      const type = bytes && { "content-type": "application/json", "content-length": bytes.length };
      const began = process.hrtime.bigint();
      const sent = request(new URL(path, url), { agent, method, headers: { ...type, ...headers } }, (answer) => {
        const parts = [];
        answer.on("data", (part) => parts.push(part));
        answer.on("end", () => {
          const milliseconds = Number(process.hrtime.bigint() - began) / 1e6;
          const text = Buffer.concat(parts).toString();
          if (answer.statusCode >= 300) {
            reject(new Error(`${method} ${path}: ${answer.statusCode} ${text}`));
            return;
          }
          const json = text && answer.headers["content-type"]?.includes("json") ? JSON.parse(text) : undefined;
          resolve({ milliseconds, json, headers: answer.headers });
        });
      });
      sent.on("error", reject);
      sent.end(bytes);
    });
}

// The processes that a process has started, and their processes.
function descendants(id) {
  const children = readFileSync(`/proc/${id}/task/${id}/children`, "utf8");
  const others = readdirSync(`/proc/${id}/task`).filter((task) => task !== String(id));
  const all = others.map((task) => readFileSync(`/proc/${id}/task/${task}/children`, "utf8")).concat(children);
  return all.flatMap((line) => line.split(" ").filter(Boolean)).flatMap((child) => [child, ...descendants(child)]);
}

// The processor time of these processes in milliseconds.
function processorTime(ids) {
  const tasks = ids.flatMap((id) => readdirSync(`/proc/${id}/task`).map((task) => `/proc/${id}/task/${task}/schedstat`));
  return tasks.reduce((sum, task) => sum + Number(readFileSync(task, "utf8").split(" ")[0]), 0) / 1e6;
}

// The processor time of each part of a stack.
function used(parts) {
  return parts.map((ids) => processorTime(ids()));
}

async function portal() {
  const { url, partner_id, primary_admin } = JSON.parse(process.env.PORTAL);
  const send = client(url);
  const signIn = async (email, password) => {
    const { json, milliseconds } = await send("POST", "/v1/sessions", {}, { email, password, partner_id });
    return { token: json.access_token, id: json.user.id, milliseconds };
  };
  const { token } = await signIn(primary_admin.email, primary_admin.password);
  const headers = { authorization: `Bearer ${token}` };
  for (let first = 0; first < USERS; first += 500) {
    const numbers = Array.from({ length: Math.min(500, USERS - first) }, (_, number) => first + number);
    const rows = numbers.map((number) => `${firstName(number)},Lee,${email("listed", number)},viewer`);
    const csv = ["first_name,last_name,email,role", ...rows].join("\n");
    await send("POST", "/v1/users/import?dry_run=false", { ...headers, "content-type": "text/csv" }, csv);
  }
  const process_ = Number(process.env.PORTAL_PROCESS);
  return {
    parts: [() => descendants(process_), () => [process_]],
    list: () => send("GET", "/v1/users?limit=25&sort=name", headers),
    search: (number) => send("GET", `/v1/users?search=${firstName(number)}`, headers),
    found: (json) => json.items.length,
    me: () => send("GET", "/v1/me", headers),
    add: (number) =>
      send("POST", "/v1/users", headers, {
        first_name: "Ann", last_name: "Lee", email: email("added", number), password: PASSWORD, must_change: false,
      }),
    signIn: (number) => signIn(email("added", number), PASSWORD),
    forceLogout: (id) => send("POST", `/v1/users/${id}/force-logout`, headers),
  };
}

async function betterAuth() {
  const url = `http://localhost:${process.env.PORT}`;
  const send = client(url);
  const origin = { origin: url };
  const signIn = async (email, password) => {
    const answer = await send("POST", "/api/auth/sign-in/email", origin, { email, password });
    const cookie = answer.headers["set-cookie"].map((line) => line.split(";")[0]).join("; ");
    return { cookie, id: answer.json.user.id, milliseconds: answer.milliseconds };
  };
  const { cookie } = await signIn(process.env.ADMIN_EMAIL, process.env.ADMIN_PASSWORD);
  const headers = { ...origin, cookie };
  const create = (user) => send("POST", "/api/auth/admin/create-user", headers, { role: "user", ...user });
  for (let number = 0; number < USERS; number += 1) {
    await create({ email: email("listed", number), name: `${firstName(number)} Lee` });
  }
  return {
    parts: [() => [process.env.SERVER_PROCESS], () => descendants(process.env.POSTGRES_PROCESS)],
    list: () => send("GET", "/api/auth/admin/list-users?limit=25&sortBy=name", headers),
    search: (number) =>
      send("GET", `/api/auth/admin/list-users?limit=25&searchField=name&searchValue=${firstName(number)}`, headers),
    found: (json) => json.users.length,
    me: () => send("GET", "/api/auth/get-session", headers),
    add: (number) => create({ email: email("added", number), name: "Ann Lee", password: PASSWORD }),
    signIn: (number) => signIn(email("added", number), PASSWORD),
    forceLogout: (userId) => send("POST", "/api/auth/admin/revoke-user-sessions", headers, { userId }),
  };
}

function email(kind, number) {
  return `${kind}-${number}@example.com`;
}

// A name that only one of the listed users has.
function firstName(number) {
  const letters = String(number).padStart(4, "0").replace(/./g, (digit) => "abcdefghij"[digit]);
  return `Q${letters}`;
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

// Measures some requests of one row. Returns their times and the processor time of each part.
async function turn(stack, row, numbers) {
  const [times, parts] = [[], stack.parts.map(() => 0)];
  for (const number of numbers) {
    const prepared = row.prepare && (await row.prepare(stack, number));
    const before = used(stack.parts);
    const { milliseconds, json } = await row.send(stack, number, prepared);
    // Work after the response belongs to the request. Function processes end theirs within milliseconds.
    await new Promise((resolve) => setTimeout(resolve, 5));
    used(stack.parts).forEach((time, part) => (parts[part] += time - before[part]));
    row.check?.(stack, json);
    times.push(milliseconds);
  }
  return { times, parts };
}

function expect(items, found) {
  if (found !== items) {
    throw new Error(`${found} items instead of ${items}`);
  }
}

const users = (items) => (stack, json) => expect(items, stack.found(json));
const ROWS = [
  { name: "list, 25 by name", turns: 20, send: (stack) => stack.list(), check: users(25) },
  { name: "search for one user", turns: 10, send: (stack, number) => stack.search(number), check: users(1) },
  { name: "who am I", turns: 20, send: (stack) => stack.me() },
  { name: "add a user", turns: 6, send: (stack, number) => stack.add(number) },
  { name: "first sign-in of a user", turns: 6, send: (stack, number) => stack.signIn(number) },
  { name: "later sign-in", turns: 6, send: (stack, number) => stack.signIn(number) },
  {
    name: "force a logout",
    turns: 6,
    prepare: (stack, number) => stack.signIn(number),
    send: (stack, _, { id }) => stack.forceLogout(id),
  },
];

const stacks = [await portal(), await betterAuth()];
console.log("| | ours p50 ms | functions' processor ms | local stack's | Better Auth p50 ms | Node's processor ms | Postgres's |");
console.log("|---|---|---|---|---|---|---|");
for (const row of ROWS) {
  const results = stacks.map((stack) => ({ times: [], parts: stack.parts.map(() => 0) }));
  // The first turn warms up.
  for (let round = 0; round <= row.turns; round += 1) {
    const numbers = Array.from({ length: TURN }, (_, place) => round * TURN + place);
    for (const [place, stack] of stacks.entries()) {
      const { times, parts } = await turn(stack, row, numbers);
      if (round > 0) {
        results[place].times.push(...times);
        results[place].parts = results[place].parts.map((sum, part) => sum + parts[part]);
      }
    }
  }
  const cells = results.flatMap(({ times, parts }) => [median(times), ...parts.map((sum) => sum / times.length)]);
  console.log(`| ${row.name} | ${cells.map((value) => value.toFixed(2)).join(" | ")} |`);
}
process.exit(0);
