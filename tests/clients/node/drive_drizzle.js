// drizzle-kit introspect: what it writes about three schemas, and a query through drizzle-orm.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { drizzle } from "drizzle-orm/node-postgres";
import { sql } from "drizzle-orm";
import pg from "pg";
import { environment, failure, run, tls } from "./steps.js";

const require = createRequire(import.meta.url);
const folder = mkdtempSync(join(tmpdir(), "sallyport-drizzle-"));

async function version() {
  return JSON.parse(readFileSync(join(dirname(require.resolve("drizzle-kit")), "package.json"), "utf8")).version;
}
async function introspected() {
  const configuration = { dialect: "postgresql", out: join(folder, "out"), schemaFilter: ["app", "public"], dbCredentials: { ...environment, ssl: tls } };
  writeFileSync(join(folder, "drizzle.config.json"), JSON.stringify(configuration));
  const program = join(dirname(require.resolve("drizzle-kit")), "bin.cjs");
  execFileSync(process.execPath, [program, "introspect", "--config", join(folder, "drizzle.config.json")], { stdio: ["ignore", "ignore", "inherit"], cwd: folder });
  const written = readFileSync(join(folder, "out", "schema.ts"), "utf8").split("\n");
  return [written.length > 100, written.map((line) => line.trim().replace(/,$/, "")).sort()];
}
async function queried() {
  const pool = new pg.Pool({ ...environment, ssl: tls });
  const database = drizzle(pool);
  const found = (await database.execute(sql`SELECT id, title FROM app.posts WHERE id < ${4} ORDER BY id`)).rows;
  const failed = await failure(() => database.transaction((inner) => inner.execute(sql`SELECT * FROM app.missing`)));
  await pool.end();
  return [found, failed];
}

await run([version, introspected, queried]);
rmSync(folder, { recursive: true });
