// A transcript is a list of named functions: each is a step, and what it returns is what the client was told.
// One JSON object per line on standard output; an error is told by its SQLSTATE.
import { readFileSync } from "node:fs";

export const environment = {
  host: process.env.PGHOST,
  port: Number(process.env.PGPORT),
  user: process.env.PGUSER,
  password: process.env.PGPASSWORD,
  database: process.env.PGDATABASE,
};
export const tls = { ca: readFileSync(process.env.PGSSLROOTCERT, "utf8"), rejectUnauthorized: true };
export const SLOW =
  "SELECT count(*) FROM trade.lineitem a, trade.lineitem b, trade.lineitem c WHERE a.l_quantity + b.l_quantity + c.l_quantity < 0";

export function error(raised) {
  const cause = raised.cause?.code ? raised.cause : raised;
  console.error(raised.message);
  return [raised.constructor.name, cause.code ?? cause.originalCode ?? raised.message];
}

export async function failure(action) {
  try {
    await action();
    return "no error";
  } catch (raised) {
    return error(raised);
  }
}

function plain(key, value) {
  if (typeof value === "bigint") return String(value);
  return value;
}

export function tell(step, outcome) {
  console.log(JSON.stringify({ step, ...outcome }, plain));
}

export async function run(steps) {
  for (const step of steps) {
    try {
      tell(step.name, { said: (await step()) ?? null });
    } catch (raised) {
      tell(step.name, { error: error(raised) });
    }
  }
  tell("end", { said: 1 });
}
