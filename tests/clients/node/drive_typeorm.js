// TypeORM: reads a schema as its schema builder does, then queries through a query runner.
import "reflect-metadata";
import typeorm from "typeorm";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { environment, failure, run, tls } from "./steps.js";

const require = createRequire(import.meta.url);
const { user: username, ...reached } = environment;
const source = new typeorm.DataSource({ type: "postgres", ...reached, username, ssl: tls, schema: "app", installExtensions: false });
// Without generated columns: their expressions are looked up in a table of TypeORM's own.
const TABLES = ["app.users", "app.comments", "app.labels", "app.post_labels", "trade.orders"];
let runner;

const by = (name) => (one, other) => String(one[name]).localeCompare(String(other[name]));

async function version() {
  return JSON.parse(readFileSync(join(dirname(require.resolve("typeorm")), "package.json"), "utf8")).version;
}
async function columns() {
  const found = await runner.getTables(TABLES);
  const shown = ({ name, type, isNullable, isPrimary, isUnique, isArray, length, precision, enum: values }) =>
    [name, type, isNullable, isPrimary, isUnique, isArray, length, precision, values];
  return found.sort(by("name")).map((table) => [table.name, table.columns.sort(by("name")).map(shown)]);
}
async function generated() {
  const found = await runner.getTables(TABLES);
  return found.sort(by("name")).map((table) => table.columns.sort(by("name")).map((one) => [one.name, one.isGenerated, one.generationStrategy, one.default]));
}
async function keys() {
  const found = await runner.getTables(TABLES);
  return found.sort(by("name")).map((table) => table.foreignKeys.sort(by("name")).map((key) => [key.name, key.columnNames, key.referencedTableName, key.onDelete]));
}
async function indices() {
  const found = await runner.getTables(TABLES);
  return found.sort(by("name")).map((table) => [table.indices.map((one) => one.name).sort(), table.uniques.map((one) => one.name).sort()]);
}
async function names() {
  return [await runner.getCurrentDatabase(), await runner.getCurrentSchema(), await runner.hasTable("app.posts"), await runner.hasTable("app.missing")];
}
async function queried() {
  return source.createQueryBuilder().select("p.id", "id").addSelect("p.title", "title").from("app.posts", "p").where("p.id IN (:...ids)", { ids: [1, 2] }).orderBy("p.id").getRawMany();
}
async function transaction() {
  return source.transaction("SERIALIZABLE", (inner) => inner.query("SELECT count(*) FROM app.posts"));
}
async function written() {
  return failure(() => runner.query("INSERT INTO app.labels (name) VALUES ($1)", ["x"]));
}

await source.initialize();
runner = source.createQueryRunner();
await run([version, columns, generated, keys, indices, names, queried, transaction, written]);
await runner.release();
await source.destroy();
