// postgres.js: pipelined statements, describe first by Flush, its own reading of types, cursors, COPY.
import postgres from "postgres";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { SLOW, environment, failure, run, tls } from "./steps.js";

const require = createRequire(import.meta.url);
const { user: username, ...reached } = environment;
const options = { ...reached, username, ssl: tls, max: 1, onnotice: () => {} };
const sql = postgres(options);

async function version() {
  return JSON.parse(readFileSync(require.resolve("postgres").replace(/cjs.*/, "package.json"), "utf8")).version;
}
async function plain() {
  return sql`SELECT id, title, status, tags, metadata, created_at FROM app.posts ORDER BY id LIMIT 4`;
}
async function bound() {
  return sql`SELECT id FROM app.posts WHERE id = ANY(${[1, 2, 3]}) AND status = ${"review"} AND created_at > ${new Date(0)}`;
}
async function prepared() {
  const found = [];
  for (const id of [1, 2, 3]) found.push((await sql`SELECT title FROM app.posts WHERE id = ${id}`)[0]);
  return found;
}
async function arrays() {
  return sql`SELECT tags, scores FROM app.posts WHERE id = 7`;
}
async function described() {
  const found = await sql`SELECT id, title FROM app.posts WHERE id = ${1}`.describe();
  return [found.types, found.columns.map((column) => [column.name, column.type])];
}
async function simple() {
  return sql`SELECT 1 AS one; SELECT 2 AS two`.simple();
}
async function unsafe() {
  return sql.unsafe("SELECT name FROM app.labels WHERE id = $1", [2]);
}
// Parse, Describe, Flush, and only then Bind: a pooler that waits for Sync hangs here (pgcat 951)
async function without_preparing() {
  const second = postgres({ ...options, prepare: false });
  const found = [];
  for (const id of [1, 2]) found.push((await second`SELECT title FROM app.posts WHERE id = ${id} AND status = ${"review"}`)[0] ?? null);
  await second.end();
  return found;
}
async function without_fetching_types() {
  const second = postgres({ ...options, fetch_types: false });
  const found = await second`SELECT tags FROM app.posts WHERE id = ${1}`;
  await second.end();
  return found;
}
async function cursor() {
  const found = [];
  await sql`SELECT id FROM app.posts ORDER BY id`.cursor(50, (rows) => found.push(rows.length));
  for await (const [row] of sql`SELECT id FROM app.labels ORDER BY id`.cursor()) found.push(row.id);
  return found;
}
async function cursor_left() {
  await sql`SELECT * FROM trade.lineitem`.cursor(5, () => sql.CLOSE);
  return sql`SELECT 1 AS after`;
}
async function each_row() {
  const found = [];
  await sql`SELECT id FROM app.labels ORDER BY id`.forEach((row) => found.push(row.id));
  return found;
}
async function copied() {
  const stream = await sql`COPY (SELECT id, name FROM app.labels ORDER BY id) TO STDOUT`.readable();
  let text = "";
  for await (const chunk of stream) text += chunk;
  return text;
}
async function transaction() {
  const found = [];
  await sql.begin("read only", async (inner) => {
    found.push(await inner`SHOW transaction_read_only`);
    found.push(await failure(() => inner.savepoint((deepest) => deepest`SELECT * FROM app.missing`)));
    found.push(await inner`SELECT count(*) FROM app.posts`);
  });
  found.push(await failure(() => sql.begin("isolation level serializable", (inner) => inner`SELECT 1 / (id - 1) FROM app.labels`)));
  return found;
}
async function reserved() {
  const own = await sql.reserve();
  await own`SET TimeZone = 'Asia/Tokyo'`;
  const found = await own`SHOW TimeZone`;
  await own`RESET TimeZone`;
  own.release();
  return found;
}
async function pipelined() {
  return Promise.all([1, 2, 3, 4].map((n) => sql`SELECT ${n}::int AS n`));
}
async function pipelined_with_error() {
  return Promise.all([sql`SELECT 1 AS n`, failure(() => sql`SELECT * FROM app.missing`), sql`SELECT 3 AS n`]);
}
async function cancel() {
  const query = sql.unsafe(SLOW);
  setTimeout(() => query.cancel(), 300);
  return [await failure(() => query), await sql`SELECT 1 AS after`];
}
async function settings_at_startup() {
  const second = postgres({ ...options, connection: { application_name: "named", statement_timeout: 4000, search_path: "app" } });
  const found = [await second`SHOW application_name`, await second`SHOW statement_timeout`, await second`SELECT count(*) FROM labels`];
  await second.end();
  return found;
}
async function errors() {
  const found = [];
  for (const text of ["SELECT * FROM app.missing", "SELEC 1", "DELETE FROM app.labels"]) found.push(await failure(() => sql.unsafe(text)));
  return found;
}
// The driver prepares again when the error's routine is FetchPreparedStatement, and nobody notices
async function discarded() {
  await sql`DISCARD ALL`;
  return failure(() => sql`SELECT title FROM app.posts WHERE id = ${1}`);
}

await run([version, plain, bound, prepared, arrays, described, simple, unsafe, without_preparing, without_fetching_types, cursor, cursor_left,
  each_row, copied, transaction, reserved, pipelined, pipelined_with_error, cancel, settings_at_startup, errors, discarded]);
await sql.end();
