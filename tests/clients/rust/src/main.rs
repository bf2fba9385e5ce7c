//! tokio-postgres: extended queries with types looked up, portals, COPY, pipelining, cancel.
//! One JSON object per line on standard output.

use std::env::var;
use std::time::Duration;

use futures_util::{TryStreamExt, pin_mut};
use native_tls::{Certificate, TlsConnector};
use postgres_native_tls::MakeTlsConnector;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Config, Error, IsolationLevel, SimpleQueryMessage};

const SLOW: &str = "SELECT count(*) FROM trade.lineitem a, trade.lineitem b, trade.lineitem c \
                    WHERE a.l_quantity + b.l_quantity + c.l_quantity < 0";

type Told = Result<String, Error>;

fn tls() -> MakeTlsConnector {
    let file = std::fs::read(var("PGSSLROOTCERT").unwrap()).unwrap();
    let certificate = Certificate::from_pem(&file).unwrap();
    let connector = TlsConnector::builder().add_root_certificate(certificate).build().unwrap();
    MakeTlsConnector::new(connector)
}

fn configured() -> Config {
    let mut config = Config::new();
    config
        .host(var("PGHOST").unwrap())
        .port(var("PGPORT").unwrap().parse().unwrap())
        .user(var("PGUSER").unwrap())
        .password(var("PGPASSWORD").unwrap())
        .dbname(var("PGDATABASE").unwrap())
        .ssl_mode(tokio_postgres::config::SslMode::Require);
    config
}

async fn open(config: &Config) -> Result<Client, Error> {
    let (client, connection) = config.connect(tls()).await?;
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            eprintln!("{error}");
        }
    });
    Ok(client)
}

fn code(error: &Error) -> String {
    eprintln!("{error}: {:?}", error.as_db_error().map(|told| told.message()));
    error.code().map_or_else(|| error.to_string(), |state| state.code().to_string())
}

fn outcome<T>(result: Result<T, Error>) -> String {
    result.map_or_else(|error| code(&error), |_| "no error".to_string())
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n").replace('\t', "\\t"))
}

fn tell(step: &str, told: Told) {
    match told {
        Ok(said) => println!("{{\"step\": {}, \"said\": {}}}", quoted(step), quoted(&said)),
        Err(error) => println!("{{\"step\": {}, \"error\": {}}}", quoted(step), quoted(&code(&error))),
    }
}

async fn tables(client: &mut Client) -> Told {
    let rows = client
        .query("SELECT tablename::text FROM pg_tables WHERE schemaname = $1 ORDER BY 1", &[&"app"])
        .await?;
    Ok(format!("{:?}", rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>()))
}

async fn describe(client: &mut Client) -> Told {
    let statement = client
        .prepare("SELECT id, title, status, tags, home FROM app.posts p JOIN app.users u USING (id) WHERE status = $1 AND email = $2")
        .await?;
    let shown = |kind: &Type| format!("{}.{} {:?}", kind.schema(), kind.name(), shape(kind));
    let columns: Vec<_> = statement.columns().iter().map(|c| format!("{} {}", c.name(), shown(c.type_()))).collect();
    let parameters: Vec<_> = statement.params().iter().map(shown).collect();
    Ok(format!("{columns:?} {parameters:?}"))
}

fn shape(kind: &Type) -> String {
    use tokio_postgres::types::Kind;
    match kind.kind() {
        Kind::Enum(labels) => format!("enum {labels:?}"),
        Kind::Composite(fields) => format!("composite {:?}", fields.iter().map(|f| f.name()).collect::<Vec<_>>()),
        Kind::Domain(base) => format!("domain over {}", base.name()),
        Kind::Array(of) => format!("array of {}", of.name()),
        _ => "simple".to_string(),
    }
}

async fn plain(client: &mut Client) -> Told {
    let rows = client.query("SELECT id, title, tags, scores FROM app.posts WHERE id < $1 ORDER BY id", &[&4_i64]).await?;
    let shown: Vec<_> = rows
        .iter()
        .map(|row| (row.get::<_, i64>(0), row.get::<_, String>(1), row.get::<_, Vec<String>>(2), row.get::<_, Option<Vec<Option<i32>>>>(3)))
        .collect();
    Ok(format!("{shown:?}"))
}

async fn prepared(client: &mut Client) -> Told {
    let statement = client.prepare_typed("SELECT title FROM app.posts WHERE id = $1", &[Type::INT8]).await?;
    let mut found = Vec::new();
    for id in 1..6_i64 {
        found.push(client.query_one(&statement, &[&id]).await?.get::<_, String>(0));
    }
    Ok(format!("{found:?}"))
}

async fn typed(client: &mut Client) -> Told {
    let rows = client.query_typed("SELECT $1 + 1", &[(&41_i32, Type::INT4)]).await?;
    Ok(rows[0].get::<_, i32>(0).to_string())
}

async fn pipelined(client: &mut Client) -> Told {
    let found = futures_util::future::join_all((1..5_i64).map(|id| {
        let client = &*client;
        async move { client.query_one("SELECT title FROM app.posts WHERE id = $1", &[&id]).await.map(|row| row.get::<_, String>(0)) }
    }))
    .await;
    let failed = futures_util::future::join(client.query("SELECT * FROM app.missing", &[]), client.query("SELECT 1", &[])).await;
    Ok(format!("{:?} {} {}", found.into_iter().collect::<Result<Vec<_>, _>>()?, outcome(failed.0), outcome(failed.1)))
}

async fn simple(client: &mut Client) -> Told {
    let messages = client.simple_query("SELECT id, name FROM app.labels ORDER BY id LIMIT 2; SELECT 3").await?;
    let shown: Vec<_> = messages
        .iter()
        .map(|message| match message {
            SimpleQueryMessage::Row(row) => format!("{:?}", row.get(row.len() - 1)),
            SimpleQueryMessage::CommandComplete(rows) => format!("{rows} rows"),
            _ => "columns".to_string(),
        })
        .collect();
    Ok(format!("{shown:?}"))
}

async fn portal(client: &mut Client) -> Told {
    let transaction = client.transaction().await?;
    let portal = transaction.bind("SELECT id FROM app.posts WHERE id > $1 ORDER BY id", &[&5_i64]).await?;
    let mut found = Vec::new();
    for rows_max in [3, 4, 0] {
        let rows = transaction.query_portal(&portal, rows_max).await?;
        found.push(rows.iter().map(|row| row.get::<_, i64>(0)).sum::<i64>());
    }
    transaction.commit().await?;
    Ok(format!("{found:?}"))
}

async fn transactions(client: &mut Client) -> Told {
    let mut transaction = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true).start().await?;
    let inner = transaction.savepoint("nested").await?;
    let failed = outcome(inner.query("SELECT * FROM app.missing", &[]).await);
    inner.rollback().await?;
    let level: String = transaction.query_one("SHOW transaction_isolation", &[]).await?.get(0);
    transaction.rollback().await?;
    Ok(format!("{failed} {level}"))
}

async fn copied(client: &mut Client) -> Told {
    let stream = client.copy_out("COPY (SELECT id, name FROM app.labels ORDER BY id) TO STDOUT").await?;
    pin_mut!(stream);
    let mut text = Vec::new();
    while let Some(chunk) = stream.try_next().await? {
        text.extend_from_slice(&chunk);
    }
    Ok(String::from_utf8_lossy(&text).into_owned())
}

async fn cancel(client: &mut Client) -> Told {
    let token = client.cancel_token();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(300)).await;
        token.cancel_query(tls()).await
    });
    let failed = outcome(client.query(SLOW, &[]).await);
    Ok(format!("{failed} {}", outcome(client.query("SELECT 1", &[]).await)))
}

async fn discarded(client: &mut Client) -> Told {
    let statement = client.prepare("SELECT title FROM app.posts WHERE id = $1").await?;
    client.batch_execute("DISCARD ALL").await?;
    let failed = outcome(client.query(&statement, &[&1_i64]).await);
    Ok(format!("{failed} {}", outcome(client.query("SELECT title FROM app.posts WHERE id = $1", &[&1_i64]).await)))
}

/// What deadpool-postgres sends to clean a connection without losing its statements.
async fn recycled(client: &mut Client) -> Told {
    let statement = client.prepare("SELECT title FROM app.posts WHERE id = $1").await?;
    let clean = "CLOSE ALL; SET SESSION AUTHORIZATION DEFAULT; RESET ALL; UNLISTEN *; SELECT pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES;";
    let cleaned = outcome(client.batch_execute(clean).await);
    Ok(format!("{cleaned} {}", outcome(client.query(&statement, &[&1_i64]).await)))
}

async fn errors(client: &mut Client) -> Told {
    let mut found = Vec::new();
    for sql in ["SELECT * FROM app.missing", "SELEC 1", "SELECT 1 / (id - 1) FROM app.labels", "DELETE FROM app.labels", "LISTEN news"] {
        found.push(outcome(client.batch_execute(sql).await));
    }
    Ok(format!("{found:?}"))
}

async fn options(_: &mut Client) -> Told {
    let mut config = configured();
    let client = open(config.options("-c search_path=app -c statement_timeout=4000").application_name("named")).await?;
    let count: i64 = client.query_one("SELECT count(*) FROM labels", &[]).await?.get(0);
    let timeout: String = client.query_one("SHOW statement_timeout", &[]).await?.get(0);
    Ok(format!("{count} {timeout}"))
}

async fn wrong_password(_: &mut Client) -> Told {
    let mut config = configured();
    Ok(outcome(open(config.password("wrong")).await))
}

macro_rules! steps {
    ($client:expr, $($step:ident),+) => { $(tell(stringify!($step), $step(&mut $client).await);)+ };
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let mut client = open(&configured()).await.expect("a connection");
    steps!(
        client, tables, describe, plain, prepared, typed, pipelined, simple, portal, transactions, copied, cancel, discarded,
        recycled, errors, options, wrong_password
    );
    tell("end", Ok(String::new()));
}
