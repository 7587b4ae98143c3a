// Better Auth as an operator would run it for this portal: one Node process, its users and sessions in Postgres.
import { createServer } from "node:http";

import { betterAuth } from "better-auth";
import { getMigrations } from "better-auth/db/migration";
import { toNodeHandler } from "better-auth/node";
import { admin } from "better-auth/plugins";
import pg from "pg";

const port = Number(process.env.PORT);
const options = {
  baseURL: `http://localhost:${port}`,
  secret: "a secret of the benchmark, long enough for Better Auth",
  database: new pg.Pool({ connectionString: process.env.DATABASE_URL }),
  emailAndPassword: { enabled: true },
  plugins: [admin()],
  // The portal limits failures only. Better Auth would reject the fourth sign-in within ten seconds.
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
  logger: { level: "error" },
};

await (await getMigrations(options)).runMigrations();
const auth = betterAuth(options);
const [email, password] = [process.env.ADMIN_EMAIL, process.env.ADMIN_PASSWORD];
await auth.api.createUser({ body: { email, password, name: "Ada Admin", role: "admin" } });
createServer(toNodeHandler(auth)).listen(port, "127.0.0.1", () => console.log(JSON.stringify({ ready: true })));
