// Prisma by its driver adapter: the calls that its query compiler makes, without a generated client.
import { PrismaPg } from "@prisma/adapter-pg";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { environment, failure, run, tls } from "./steps.js";

const require = createRequire(import.meta.url);
const adapter = await new PrismaPg({ ...environment, ssl: tls }, { schema: "app" }).connect();
const query = (sql, args = [], argTypes = []) => adapter.queryRaw({ sql, args, argTypes });

async function version() {
  return JSON.parse(readFileSync(require.resolve("@prisma/adapter-pg").replace(/dist.*/, "package.json"), "utf8")).version;
}
async function connection() {
  return [adapter.provider, adapter.getConnectionInfo()];
}
async function found_many() {
  return query('SELECT "app"."posts"."id", "app"."posts"."title", "app"."posts"."status"::text, "app"."posts"."tags" FROM "app"."posts" WHERE ("app"."posts"."id" > $1 AND 1=1) ORDER BY "app"."posts"."id" ASC LIMIT $2 OFFSET $3',
    [3, 2, 1], [{ scalarType: "bigint", arity: "scalar" }, { scalarType: "bigint", arity: "scalar" }, { scalarType: "bigint", arity: "scalar" }]);
}
async function joined() {
  return query('SELECT "t1"."id", "t1"."username", "User_posts"."__prisma_data__" AS "posts" FROM "app"."users" AS "t1" LEFT JOIN LATERAL (SELECT COALESCE(JSONB_AGG("__prisma_data__"), \'[]\') AS "__prisma_data__" FROM (SELECT "t3"."__prisma_data__" FROM (SELECT JSONB_BUILD_OBJECT(\'id\', "t2"."id") AS "__prisma_data__" FROM (SELECT "t2".* FROM "app"."posts" AS "t2" WHERE "t1"."id" = "t2"."author_id" ORDER BY "t2"."id") AS "t2") AS "t3") AS "t4") AS "User_posts" ON TRUE WHERE "t1"."id" <= $1 ORDER BY "t1"."id"',
    [2], [{ scalarType: "int", arity: "scalar" }]);
}
async function aggregated() {
  return query('SELECT COUNT(*) AS "_count._all", SUM("views") AS "_sum.views" FROM (SELECT "app"."posts"."id", "app"."posts"."views"::int FROM "app"."posts" WHERE 1=1 OFFSET $1) AS "sub"', [0], [{ scalarType: "bigint", arity: "scalar" }]);
}
async function every_type() {
  const found = [];
  for (const table of ["numbers", "times", "bits", "nets", "documents"]) {
    const wanted = () => query(`SELECT * FROM public.${table} WHERE id = $1`, [1], [{ scalarType: "int", arity: "scalar" }]);
    found.push(await wanted().catch((raised) => raised.cause.kind));
  }
  return found;
}
async function transaction() {
  const inner = await adapter.startTransaction("REPEATABLE READ");
  const found = await inner.queryRaw({ sql: "SELECT count(*)::int FROM app.posts", args: [], argTypes: [] });
  await inner.rollback();
  return found;
}
async function errors() {
  return [await failure(() => query("SELECT * FROM app.missing")), await failure(() => query("DELETE FROM app.labels"))];
}
async function script() {
  await adapter.executeScript("SELECT 1; SELECT 2");
  return query("SELECT current_schema(), current_user");
}

await run([version, connection, found_many, joined, aggregated, every_type, transaction, errors, script]);
await adapter.dispose();
