// pgx: every query mode, batches, portals, COPY, cancel. One JSON object per line on standard output.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
)

const slow = "SELECT count(*) FROM trade.lineitem a, trade.lineitem b, trade.lineitem c " +
	"WHERE a.l_quantity + b.l_quantity + c.l_quantity < 0"

var background = context.Background()

type step struct {
	name string
	take func(*pgx.Conn) (any, error)
}

func connect(options string) (*pgx.Conn, error) {
	return pgx.Connect(background, options)
}

func rows(conn *pgx.Conn, sql string, arguments ...any) (any, error) {
	found, err := conn.Query(background, sql, arguments...)
	if err != nil {
		return nil, err
	}
	values, err := pgx.CollectRows(found, func(row pgx.CollectableRow) ([]any, error) { return row.Values() })
	if err != nil {
		return nil, err
	}
	return fmt.Sprintf("%v", values), nil
}

func code(err error) string {
	if err == nil {
		return "no error"
	}
	fmt.Fprintln(os.Stderr, err)
	var told *pgconn.PgError
	if errors.As(err, &told) {
		return told.Code
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return "deadline exceeded"
	}
	return err.Error()
}

func version(*pgx.Conn) (any, error) {
	told, _ := debug.ReadBuildInfo()
	for _, module := range told.Deps {
		if module.Path == "github.com/jackc/pgx/v5" {
			return module.Version, nil
		}
	}
	return nil, errors.New("pgx is not among the modules")
}

func parameters(conn *pgx.Conn) (any, error) {
	told := conn.PgConn()
	return []any{told.ParameterStatus("client_encoding"), told.ParameterStatus("TimeZone"), len(os.Getenv("PGPASSWORD")) > 4096}, nil
}

func tables(conn *pgx.Conn) (any, error) {
	return rows(conn, "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = ANY($1) ORDER BY 1, 2", []string{"app", "trade"})
}

func describe(conn *pgx.Conn) (any, error) {
	told, err := conn.Prepare(background, "described", "SELECT id, title, tags, created_at FROM app.posts WHERE id = $1")
	if err != nil {
		return nil, err
	}
	found := []any{told.ParamOIDs}
	for _, field := range told.Fields {
		found = append(found, field.Name, field.DataTypeOID)
	}
	return found, conn.Deallocate(background, "described")
}

func modes(*pgx.Conn) (any, error) {
	found := map[string]any{}
	for _, mode := range []string{"cache_statement", "cache_describe", "describe_exec", "exec", "simple_protocol"} {
		conn, err := connect("default_query_exec_mode=" + mode)
		if err != nil {
			return nil, err
		}
		var told []string
		for id := 1; id < 4; id++ {
			var title string
			var number int64
			err = conn.QueryRow(background, "SELECT id, title FROM app.posts WHERE id = $1 AND title <> $2", id, "x").Scan(&number, &title)
			told = append(told, fmt.Sprint(number, title, code(err)))
		}
		_, err = conn.Exec(background, "SELECT * FROM app.missing")
		found[mode] = append(told, code(err))
		conn.Close(background)
	}
	return found, nil
}

func everyType(conn *pgx.Conn) (any, error) {
	var found []any
	for _, table := range []string{"numbers", "texts", "times", "bits", "nets", "shapes", "lists", "documents", "spans"} {
		told, err := rows(conn, "SELECT * FROM "+table+" WHERE id < 3 ORDER BY id")
		found = append(found, told, code(err))
	}
	return found, nil
}

func ownTypes(conn *pgx.Conn) (any, error) {
	for _, name := range []string{"app.status", "app._status", "app.address"} {
		loaded, err := conn.LoadType(background, name)
		if err != nil {
			return nil, err
		}
		conn.TypeMap().RegisterType(loaded)
	}
	return rows(conn, "SELECT p.status, u.username FROM app.posts p JOIN app.users u ON u.id = p.author_id WHERE p.status = $1 ORDER BY p.id LIMIT 3", "review")
}

func composite(conn *pgx.Conn) (any, error) {
	return rows(conn, "SELECT home FROM app.users WHERE id = 1")
}

func numeric(conn *pgx.Conn) (any, error) {
	var price pgtype.Numeric
	var day time.Time
	err := conn.QueryRow(background, "SELECT o_totalprice, o_orderdate FROM trade.orders WHERE o_orderkey = $1", 5).Scan(&price, &day)
	told, _ := price.Value()
	return []any{told, day}, err
}

func batch(conn *pgx.Conn) (any, error) {
	queue := &pgx.Batch{}
	for id := 1; id < 5; id++ {
		queue.Queue("SELECT title FROM app.posts WHERE id = $1", id)
	}
	queue.Queue("SELECT count(*) FROM app.labels")
	sent := conn.SendBatch(background, queue)
	var found []any
	for range 5 {
		told, err := sent.Query()
		if err != nil {
			return nil, err
		}
		for told.Next() {
			values, _ := told.Values()
			found = append(found, values...)
		}
	}
	return found, sent.Close()
}

func batchWithError(conn *pgx.Conn) (any, error) {
	queue := &pgx.Batch{}
	queue.Queue("SELECT 1")
	queue.Queue("SELECT 1 / (id - 1) FROM app.labels WHERE id < $1", 4)
	queue.Queue("SELECT 3")
	sent := conn.SendBatch(background, queue)
	_, first := sent.Exec()
	_, second := sent.Exec()
	_, third := sent.Exec()
	sent.Close()
	after, err := rows(conn, "SELECT 4")
	return []any{code(first), code(second), code(third), after}, err
}

func pipeline(conn *pgx.Conn) (any, error) {
	pipe := conn.PgConn().StartPipeline(background)
	pipe.SendPrepare("in pipeline", "SELECT title FROM app.posts WHERE id = $1", nil)
	pipe.SendFlushRequest()
	if err := pipe.Flush(); err != nil {
		return nil, err
	}
	described, err := pipe.GetResults() // before any Sync
	if err != nil {
		return nil, err
	}
	pipe.SendQueryPrepared("in pipeline", [][]byte{[]byte("3")}, nil, nil)
	pipe.SendDeallocate("in pipeline")
	if err := pipe.Sync(); err != nil {
		return nil, err
	}
	answer, err := pipe.GetResults()
	if err != nil {
		return nil, err
	}
	read := answer.(*pgconn.ResultReader).Read()
	return []any{len(described.(*pgconn.StatementDescription).Fields), string(read.Rows[0][0])}, pipe.Close()
}

func portal(conn *pgx.Conn) (any, error) {
	return inTransaction(conn, pgx.TxOptions{}, func(tx pgx.Tx) (any, error) {
		if _, err := tx.Exec(background, "DECLARE c CURSOR FOR SELECT id FROM app.posts ORDER BY id"); err != nil {
			return nil, err
		}
		var found []any
		for range 3 {
			told, err := rows(tx.Conn(), "FETCH 4 FROM c")
			if err != nil {
				return nil, err
			}
			found = append(found, told)
		}
		return found, nil
	})
}

func inTransaction(conn *pgx.Conn, options pgx.TxOptions, body func(pgx.Tx) (any, error)) (any, error) {
	tx, err := conn.BeginTx(background, options)
	if err != nil {
		return nil, err
	}
	found, err := body(tx)
	tx.Rollback(background)
	return found, err
}

func isolation(conn *pgx.Conn) (any, error) {
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly, DeferrableMode: pgx.Deferrable}
	return inTransaction(conn, options, func(tx pgx.Tx) (any, error) { return rows(tx.Conn(), "SHOW transaction_isolation") })
}

func readWrite(conn *pgx.Conn) (any, error) {
	_, err := inTransaction(conn, pgx.TxOptions{AccessMode: pgx.ReadWrite}, func(tx pgx.Tx) (any, error) { return nil, nil })
	return code(err), nil
}

func savepoint(conn *pgx.Conn) (any, error) {
	return inTransaction(conn, pgx.TxOptions{}, func(tx pgx.Tx) (any, error) {
		inner, err := tx.Begin(background)
		if err != nil {
			return nil, err
		}
		_, failed := inner.Exec(background, "SELECT * FROM app.missing")
		inner.Rollback(background)
		after, err := rows(tx.Conn(), "SELECT 1")
		return []any{code(failed), after}, err
	})
}

func copied(conn *pgx.Conn) (any, error) {
	var text, binary bytes.Buffer
	tag, err := conn.PgConn().CopyTo(background, &text, "COPY (SELECT id, name FROM app.labels ORDER BY id) TO STDOUT")
	if err != nil {
		return nil, err
	}
	_, err = conn.PgConn().CopyTo(background, &binary, "COPY (SELECT id FROM app.labels ORDER BY id) TO STDOUT (FORMAT binary)")
	return []any{text.String(), tag.String(), binary.Bytes()}, err
}

func cancel(conn *pgx.Conn) (any, error) {
	second, err := connect("")
	if err != nil {
		return nil, err
	}
	defer second.Close(background)
	timer := time.AfterFunc(300*time.Millisecond, func() { second.PgConn().CancelRequest(background) })
	defer timer.Stop()
	_, failed := second.Exec(background, slow)
	after, err := rows(second, "SELECT 1")
	return []any{code(failed), after}, err
}

func deadline(*pgx.Conn) (any, error) {
	second, err := connect("")
	if err != nil {
		return nil, err
	}
	limited, stop := context.WithTimeout(background, 300*time.Millisecond)
	defer stop()
	_, failed := second.Exec(limited, slow)
	return []any{code(failed), second.IsClosed()}, nil
}

func discarded(conn *pgx.Conn) (any, error) {
	second, err := connect("")
	if err != nil {
		return nil, err
	}
	defer second.Close(background)
	sql := "SELECT title FROM app.posts WHERE id = $1"
	first, _ := rows(second, sql, 1)
	second.Exec(background, "DISCARD ALL")
	_, failed := rows(second, sql, 1)
	again, err := rows(second, sql, 1)
	return []any{first, code(failed), again}, err
}

func runtimeParameters(*pgx.Conn) (any, error) {
	second, err := connect("search_path=app statement_timeout=4000 application_name=named")
	if err != nil {
		return nil, err
	}
	defer second.Close(background)
	first, _ := rows(second, "SELECT count(*) FROM labels")
	told, err := rows(second, "SHOW statement_timeout")
	return []any{first, told, second.PgConn().ParameterStatus("application_name")}, err
}

func pool(*pgx.Conn) (any, error) {
	opened, err := pgxpool.New(background, "pool_max_conns=3")
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	var found []any
	for id := 1; id < 6; id++ {
		var name string
		if err := opened.QueryRow(background, "SELECT username FROM app.users WHERE id = $1", id).Scan(&name); err != nil {
			return nil, err
		}
		found = append(found, name)
	}
	return found, nil
}

func failures(conn *pgx.Conn) (any, error) {
	var found []any
	for _, sql := range []string{"SELECT * FROM app.missing", "SELEC 1", "SELECT 1 / (id - 1) FROM app.labels", "DELETE FROM app.labels", "LISTEN news"} {
		_, err := conn.Exec(background, sql)
		found = append(found, code(err))
	}
	return found, nil
}

func wrongPassword(*pgx.Conn) (any, error) {
	_, err := connect("password=wrong")
	return code(err), nil
}

func main() {
	steps := []step{
		{"version", version}, {"parameters", parameters}, {"tables", tables}, {"describe", describe}, {"modes", modes},
		{"every_type", everyType}, {"own_types", ownTypes}, {"composite", composite}, {"numeric", numeric}, {"batch", batch},
		{"batch_with_error", batchWithError}, {"pipeline", pipeline}, {"portal", portal}, {"isolation", isolation},
		{"read_write", readWrite}, {"savepoint", savepoint}, {"copied", copied}, {"cancel", cancel}, {"deadline", deadline},
		{"discarded", discarded}, {"runtime_parameters", runtimeParameters}, {"pool", pool}, {"failures", failures},
		{"wrong_password", wrongPassword},
	}
	conn, err := connect("")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for _, one := range steps {
		said, err := one.take(conn)
		if err != nil {
			out.Encode(map[string]any{"step": one.name, "error": code(err)})
		} else {
			out.Encode(map[string]any{"step": one.name, "said": said})
		}
	}
	conn.Close(background)
	out.Encode(map[string]any{"step": "end", "said": 1})
}
