// node-postgres: unnamed and named statements, binary, cursors, COPY streams, a pool.
import pg from "pg";
import Cursor from "pg-cursor";
import { to as copyTo } from "pg-copy-streams";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { SLOW, environment, failure, run, tls } from "./steps.js";

const require = createRequire(import.meta.url);
const options = { ...environment, ssl: tls };
const client = new pg.Client(options);
const rows = async (...query) => (await client.query(...query)).rows;

async function version() {
  return [JSON.parse(readFileSync(require.resolve("pg/package.json"), "utf8")).version, environment.password.length > 4096];
}
async function encryption() {
  return [client.connection.stream.encrypted, client.connection.stream.getProtocol()];
}
async function tables() {
  return rows("SELECT table_name FROM information_schema.tables WHERE table_schema = 'app' ORDER BY 1");
}
async function describe() {
  const found = await client.query("SELECT id, title, tags, created_at, rating FROM app.posts LIMIT 0");
  return found.fields.map((field) => [field.name, field.dataTypeID, field.format]);
}
async function plain() {
  return rows("SELECT id, title, status::text, tags, metadata, created_at, reading_time FROM app.posts ORDER BY id LIMIT 5");
}
async function several() {
  return (await client.query("SELECT 1 AS one; SELECT name FROM app.labels ORDER BY 1; SHOW TimeZone")).map((each) => each.rows);
}
async function bound() {
  return rows("SELECT id FROM app.posts WHERE id = ANY($1) AND title LIKE $2 AND created_at > $3 ORDER BY 1", [[1, 2, 50], "Post%", new Date(0)]);
}
async function named() {
  const found = [];
  for (const id of [1, 2, 3]) found.push(await rows({ name: "by-id", text: "SELECT title FROM app.posts WHERE id = $1", values: [id] }));
  return found;
}
async function named_changed() {
  return failure(() => client.query({ name: "by-id", text: "SELECT 1" }));
}
async function named_after_deallocate() {
  await client.query("DEALLOCATE ALL");
  return failure(() => rows({ name: "by-id", text: "SELECT title FROM app.posts WHERE id = $1", values: [1] }));
}
async function array_mode() {
  return rows({ text: "SELECT 1, 'a', NULL, true", rowMode: "array" });
}
async function binary() {
  return rows({ text: "SELECT id, id::float8 AS f, name FROM app.labels ORDER BY id", binary: true });
}
async function limited_rows() {
  return (await client.query({ text: "SELECT id FROM app.posts ORDER BY id", rows: 7 })).rows.length;
}
async function cursor() {
  const opened = client.query(new Cursor("SELECT id FROM app.posts WHERE id > $1 ORDER BY id", [3]));
  const first = await opened.read(3);
  const second = await opened.read(200);
  const third = await opened.read(10);
  await opened.close();
  return [first, second.length, third];
}
async function cursor_closed_early() {
  const opened = client.query(new Cursor("SELECT * FROM trade.lineitem"));
  await opened.read(1);
  await opened.close();
  return rows("SELECT 1 AS after");
}
async function copied() {
  const stream = client.query(copyTo("COPY (SELECT id, name FROM app.labels ORDER BY id) TO STDOUT"));
  let text = "";
  for await (const chunk of stream) text += chunk;
  return [text, stream.rowCount];
}
async function failed_transaction() {
  await client.query("BEGIN");
  const first = await failure(() => client.query("SELECT * FROM app.missing"));
  const second = await failure(() => client.query("SELECT $1::int", [1]));
  await client.query("ROLLBACK");
  return [first, second];
}
async function queued() {
  const all = [1, 2, 3].map((n) => rows("SELECT $1::int AS n", [n]));
  all.push(failure(() => client.query("SELECT 1 / (id - 1) FROM app.labels")));
  all.push(rows("SELECT 4 AS n"));
  return Promise.all(all);
}
async function errors() {
  const found = [];
  for (const sql of ["SELECT * FROM app.missing", "SELEC 1", "UPDATE app.labels SET name = ''", "LISTEN x"]) found.push(await failure(() => client.query(sql)));
  return found;
}
async function cancel() {
  const second = new pg.Client(options);
  await second.connect();
  const { processID, secretKey } = client;
  const waiting = failure(() => client.query(SLOW));
  setTimeout(() => {
    const connection = new pg.Connection({ ssl: false });
    connection.on("error", () => {});
    connection.once("connect", () => connection.cancel(processID, secretKey));
    connection.connect(environment.port, environment.host);
  }, 300);
  const found = await waiting;
  await second.end();
  return [found, await rows("SELECT 1 AS after")];
}
// Settings of the startup packet, which poolers refuse or forget (pgbouncer 482)
async function timeouts_at_startup() {
  const second = new pg.Client({ ...options, statement_timeout: 200, lock_timeout: 300, idle_in_transaction_session_timeout: 60000, application_name: "timed" });
  await second.connect();
  const found = [await failure(() => second.query(SLOW)), (await second.query("SHOW lock_timeout")).rows, (await second.query("SHOW application_name")).rows];
  await second.end();
  return found;
}
async function options_at_startup() {
  const second = new pg.Client({ ...options, options: "-c search_path=app -c DateStyle=ISO,DMY" });
  await second.connect();
  const found = [(await second.query("SELECT count(*) FROM labels")).rows, (await second.query("SHOW DateStyle")).rows];
  await second.end();
  return found;
}
async function pool() {
  const opened = new pg.Pool({ ...options, max: 3 });
  const found = await Promise.all([1, 2, 3, 4, 5, 6].map((n) => opened.query("SELECT id FROM app.users WHERE id = $1", [n])));
  await opened.end();
  return found.map((each) => each.rows);
}
async function wrong_password() {
  return failure(() => new pg.Client({ ...options, password: "wrong" }).connect());
}

await client.connect();
await run([version, encryption, tables, describe, plain, several, bound, named, named_changed, named_after_deallocate, array_mode, binary,
  limited_rows, cursor, cursor_closed_early, copied, failed_transaction, queued, errors, cancel, timeouts_at_startup, options_at_startup,
  pool, wrong_password]);
await client.end();
