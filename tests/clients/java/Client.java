// pgjdbc in one file: prepared statements of both kinds, fetch sizes, autosave, binary transfer, metadata.
import java.io.StringWriter;
import java.sql.*;
import java.util.*;
import org.postgresql.PGConnection;
import org.postgresql.PGStatement;
import org.postgresql.copy.CopyManager;

public class Client {
  static final String SLOW =
      "SELECT count(*) FROM trade.lineitem a, trade.lineitem b, trade.lineitem c WHERE a.l_quantity + b.l_quantity + c.l_quantity < 0";

  interface Step {
    Object take(Connection connection) throws Exception;
  }

  static final Map<String, Step> STEPS = new LinkedHashMap<>();

  static Connection open(String... options) throws SQLException {
    Map<String, String> given = System.getenv();
    Properties properties = new Properties();
    properties.setProperty("user", given.get("PGUSER"));
    properties.setProperty("password", given.get("PGPASSWORD"));
    properties.setProperty("sslmode", "verify-full");
    properties.setProperty("sslrootcert", given.get("PGSSLROOTCERT"));
    for (int i = 0; i < options.length; i += 2) properties.setProperty(options[i], options[i + 1]);
    String url = "jdbc:postgresql://" + given.get("PGHOST") + ":" + given.get("PGPORT") + "/" + given.get("PGDATABASE");
    return DriverManager.getConnection(url, properties);
  }

  static List<List<String>> rows(ResultSet result, String... names) throws SQLException {
    List<List<String>> found = new ArrayList<>();
    int width = result.getMetaData().getColumnCount();
    while (result.next()) {
      List<String> row = new ArrayList<>();
      if (names.length == 0) for (int i = 1; i <= width; i++) row.add(result.getString(i));
      else for (String name : names) row.add(result.getString(name));
      found.add(row);
    }
    result.close();
    return found;
  }

  static List<List<String>> query(Connection connection, String sql, Object... arguments) throws SQLException {
    try (PreparedStatement statement = connection.prepareStatement(sql)) {
      for (int i = 0; i < arguments.length; i++) statement.setObject(i + 1, arguments[i]);
      return rows(statement.executeQuery());
    }
  }

  static String failure(Step step, Connection connection) {
    try {
      step.take(connection);
      return "no error";
    } catch (SQLException raised) {
      System.err.println(raised.getMessage());
      return raised.getSQLState();
    } catch (Exception raised) {
      return raised.toString();
    }
  }

  static String json(Object value) {
    if (value == null || value instanceof Number || value instanceof Boolean) return String.valueOf(value);
    if (value instanceof Object[] array) return json(Arrays.asList(array));
    if (value instanceof Collection<?> all) {
      StringJoiner joined = new StringJoiner(", ", "[", "]");
      for (Object one : all) joined.add(json(one));
      return joined.toString();
    }
    String text = value.toString().replace("\\", "\\\\").replace("\"", "\\\"");
    return "\"" + text.replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r") + "\"";
  }

  static Object[] all(Object... values) {
    return values;
  }

  static void connecting() {
    STEPS.put("version", c -> all(org.postgresql.Driver.getVersion(), System.getenv("PGPASSWORD").length() > 4096));
    STEPS.put("metadata_of_server", c -> {
      DatabaseMetaData told = c.getMetaData();
      return all(told.getDatabaseMajorVersion(), told.getUserName(), told.isReadOnly(), told.getMaxColumnNameLength());
    });
    STEPS.put("parameters", c -> new TreeMap<>(c.unwrap(PGConnection.class).getParameterStatuses()).headMap("server").toString());
    STEPS.put("startup_options", c -> {
      try (Connection second = open("currentSchema", "app,public", "options", "-c statement_timeout=9000", "ApplicationName", "named")) {
        return all(second.getSchema(), query(second, "SELECT count(*) FROM labels"), query(second, "SHOW statement_timeout"), query(second, "SHOW application_name"));
      }
    });
    STEPS.put("old_server_assumed", c -> {
      try (Connection second = open("assumeMinServerVersion", "9.0", "ApplicationName", "old")) {
        return query(second, "SHOW extra_float_digits");
      }
    });
    STEPS.put("set_schema", c -> {
      c.setSchema("app");
      Object found = all(c.getSchema(), query(c, "SELECT count(*) FROM labels"));
      c.setSchema("public");
      return found;
    });
    STEPS.put("valid", c -> c.isValid(5));
    STEPS.put("client_information", c -> {
      c.setClientInfo("ApplicationName", "changed");
      return query(c, "SHOW application_name");
    });
    STEPS.put("wrong_password", c -> failure(x -> open("password", "wrong"), c));
  }

  static void metadata() {
    STEPS.put("schemas", c -> rows(c.getMetaData().getSchemas(), "TABLE_SCHEM"));
    STEPS.put("catalogs", c -> rows(c.getMetaData().getCatalogs(), "TABLE_CAT"));
    STEPS.put("tables", c -> rows(c.getMetaData().getTables(null, "app", "%", new String[] {"TABLE", "VIEW", "MATERIALIZED VIEW"}), "TABLE_NAME", "TABLE_TYPE", "REMARKS"));
    STEPS.put("tables_partitioned", c -> rows(c.getMetaData().getTables(null, "app", "event%", null), "TABLE_NAME", "TABLE_TYPE"));
    STEPS.put("columns", c -> rows(c.getMetaData().getColumns(null, "app", "%", "%"), "TABLE_NAME", "COLUMN_NAME", "DATA_TYPE", "TYPE_NAME", "COLUMN_SIZE", "IS_NULLABLE", "ORDINAL_POSITION"));
    STEPS.put("columns_generated", c -> rows(c.getMetaData().getColumns(null, "app", "%", "%"), "TABLE_NAME", "COLUMN_NAME", "COLUMN_DEF", "IS_AUTOINCREMENT", "IS_GENERATEDCOLUMN"));
    STEPS.put("primary_keys", c -> rows(c.getMetaData().getPrimaryKeys(null, "trade", "lineitem"), "COLUMN_NAME", "KEY_SEQ", "PK_NAME"));
    STEPS.put("foreign_keys", c -> rows(c.getMetaData().getImportedKeys(null, "app", "comments"), "PKTABLE_NAME", "FKCOLUMN_NAME", "FK_NAME"));
    STEPS.put("exported_keys", c -> rows(c.getMetaData().getExportedKeys(null, "app", "posts"), "FKTABLE_NAME", "FKCOLUMN_NAME"));
    STEPS.put("indexes", c -> rows(c.getMetaData().getIndexInfo(null, "app", "users", false, true), "INDEX_NAME", "NON_UNIQUE", "COLUMN_NAME"));
    STEPS.put("types", c -> rows(c.getMetaData().getUDTs(null, "app", "%", null), "TYPE_NAME", "DATA_TYPE"));
    STEPS.put("type_names", c -> rows(c.getMetaData().getTypeInfo(), "TYPE_NAME", "DATA_TYPE").stream().filter(row -> !row.get(0).startsWith("_")).map(List::toString).sorted().toList().subList(0, 60));
    STEPS.put("functions", c -> rows(c.getMetaData().getFunctions(null, "pg_catalog", "lower"), "FUNCTION_NAME", "REMARKS"));
    STEPS.put("privileges", c -> rows(c.getMetaData().getTablePrivileges(null, "app", "labels"), "GRANTEE", "PRIVILEGE"));
    STEPS.put("described", c -> {
      try (PreparedStatement statement = c.prepareStatement("SELECT id, title, status, tags, rating, views FROM app.posts WHERE id = ? AND status = ?::app.status")) {
        ResultSetMetaData told = statement.getMetaData();
        List<Object> found = new ArrayList<>();
        for (int i = 1; i <= told.getColumnCount(); i++)
          found.add(all(told.getColumnName(i), told.getColumnTypeName(i), told.getPrecision(i), told.getTableName(i), told.isNullable(i), told.isAutoIncrement(i)));
        ParameterMetaData parameters = statement.getParameterMetaData();
        return all(found, parameters.getParameterTypeName(1), parameters.getParameterTypeName(2));
      }
    });
  }

  static void querying() {
    STEPS.put("plain", c -> query(c, "SELECT id, title, status, tags, metadata, created_at, reading_time FROM app.posts ORDER BY id LIMIT 5"));
    STEPS.put("several", c -> {
      try (Statement statement = c.createStatement()) {
        statement.execute("SELECT 1; SELECT name FROM app.labels ORDER BY 1; SELECT 3");
        List<Object> found = new ArrayList<>();
        do found.add(rows(statement.getResultSet())); while (statement.getMoreResults());
        return found;
      }
    });
    STEPS.put("server_prepared", c -> {
      List<Object> found = new ArrayList<>();
      try (PreparedStatement statement = c.prepareStatement("SELECT id, created_at, rating, views FROM app.posts WHERE id = ?")) {
        for (int i = 1; i <= 8; i++) {
          statement.setLong(1, i);
          found.add(all(rows(statement.executeQuery()), statement.unwrap(PGStatement.class).isUseServerPrepare()));
        }
      }
      return found;
    });
    STEPS.put("types_changed", c -> {
      List<Object> found = new ArrayList<>();
      try (PreparedStatement statement = c.prepareStatement("SELECT ?::text")) {
        for (int i = 0; i < 8; i++) {
          if (i % 2 == 0) statement.setInt(1, i); else statement.setString(1, "s" + i);
          found.add(rows(statement.executeQuery()));
        }
      }
      return found;
    });
    STEPS.put("binary", c -> {
      try (Connection second = open("binaryTransfer", "true", "prepareThreshold", "-1")) {
        List<Object> found = new ArrayList<>();
        for (String table : List.of("numbers", "times", "lists", "texts", "spans", "nets", "(SELECT id, b, vb, u, ok FROM bits) bits"))
          found.add(failureOr(second, "SELECT * FROM " + table + " WHERE id <> 3 ORDER BY id"));
        return found;
      }
    });
    STEPS.put("text_only", c -> {
      try (Connection second = open("binaryTransfer", "false", "preferQueryMode", "simple")) {
        return query(second, "SELECT * FROM numbers WHERE id = ?", 2);
      }
    });
    for (String mode : List.of("extendedForPrepared", "extendedCacheEverything"))
      STEPS.put("mode_" + mode, c -> {
        try (Connection second = open("preferQueryMode", mode)) {
          for (int i = 0; i < 6; i++) query(second, "SELECT title FROM app.posts WHERE id = ?", i);
          return rows(second.createStatement().executeQuery("SELECT count(*) FROM app.posts"));
        }
      });
    STEPS.put("arrays", c -> {
      Array given = c.createArrayOf("bigint", new Long[] {1L, 2L});
      List<List<String>> found = query(c, "SELECT id, tags, scores FROM app.posts WHERE id = ANY(?) ORDER BY id", given);
      return all(found, c.createStatement().executeQuery("SELECT 1").next());
    });
    STEPS.put("batch", c -> failure(x -> {
      try (PreparedStatement statement = x.prepareStatement("SELECT ?::int")) {
        for (int i = 0; i < 3; i++) { statement.setInt(1, i); statement.addBatch(); }
        return statement.executeBatch();
      }
    }, c));
    STEPS.put("called", c -> {
      try (CallableStatement statement = c.prepareCall("{? = call upper(?)}")) {
        statement.registerOutParameter(1, Types.VARCHAR);
        statement.setString(2, "loud");
        statement.execute();
        return statement.getString(1);
      }
    });
    STEPS.put("copied", c -> {
      StringWriter text = new StringWriter();
      long count = c.unwrap(PGConnection.class).getCopyAPI().copyOut("COPY (SELECT id, name FROM app.labels ORDER BY id) TO STDOUT WITH (FORMAT csv)", text);
      return all(text.toString(), count);
    });
    STEPS.put("max_rows", c -> {
      try (Statement statement = c.createStatement()) {
        statement.setMaxRows(3);
        return rows(statement.executeQuery("SELECT id FROM app.posts ORDER BY id"));
      }
    });
  }

  static Object failureOr(Connection connection, String sql) {
    try {
      return query(connection, sql);
    } catch (SQLException raised) {
      return raised.getSQLState();
    }
  }

  static void traps() {
    // fetch size without server-side preparing: a named portal of an unnamed statement (pgjdbc 869)
    for (String threshold : List.of("0", "1", "5"))
      STEPS.put("fetch_size_prepare_threshold_" + threshold, c -> {
        try (Connection second = open("prepareThreshold", threshold, "defaultRowFetchSize", "7")) {
          second.setAutoCommit(false);
          List<Object> found = new ArrayList<>();
          for (int i = 0; i < 3; i++) found.add(query(second, "SELECT id FROM app.posts WHERE id > ? ORDER BY id", 100 + i).size());
          try (Statement statement = second.createStatement()) {
            statement.setFetchSize(10);
            ResultSet result = statement.executeQuery("SELECT id FROM app.posts ORDER BY id");
            for (int i = 0; i < 12; i++) result.next();
            found.add(query(second, "SELECT count(*) FROM app.labels"));
            result.next();
            found.add(result.getInt(1));
          }
          second.commit();
          return found;
        }
      });
    STEPS.put("fetch_size_adaptive", c -> {
      try (Connection second = open("adaptiveFetch", "true", "defaultRowFetchSize", "5", "maxResultBuffer", "1M")) {
        second.setAutoCommit(false);
        return query(second, "SELECT * FROM trade.orders").size();
      }
    });
    // autosave sends SAVEPOINT by a simple query inside an extended cycle (pgjdbc 3107)
    for (String mode : List.of("always", "conservative"))
      for (String cleanup : List.of("false", "true"))
        STEPS.put("autosave_" + mode + "_cleanup_" + cleanup, c -> {
          try (Connection second = open("autosave", mode, "cleanupSavepoints", cleanup)) {
            second.setAutoCommit(false);
            List<Object> found = new ArrayList<>();
            for (int i = 1; i < 8; i++) found.add(query(second, "SELECT id FROM app.posts WHERE id = ?", i));
            found.add(failure(x -> query(x, "SELECT * FROM app.missing"), second));
            found.add(failure(x -> query(x, "SELECT count(*) FROM app.labels"), second));
            second.rollback();
            return found;
          }
        });
    // a statement that somebody deallocated is prepared again, in a transaction only with autosave (pgjdbc 451)
    STEPS.put("deallocated", c -> {
      try (Connection second = open("prepareThreshold", "1")) {
        query(second, "SELECT title FROM app.posts WHERE id = ?", 1);
        query(second, "SELECT title FROM app.posts WHERE id = ?", 1);
        second.createStatement().execute("DEALLOCATE ALL");
        return all(failure(x -> query(x, "SELECT title FROM app.posts WHERE id = ?", 2), second), failure(x -> query(x, "SELECT title FROM app.posts WHERE id = ?", 2), second));
      }
    });
    STEPS.put("discarded", c -> {
      try (Connection second = open("prepareThreshold", "1", "autosave", "conservative")) {
        second.setAutoCommit(false);
        query(second, "SELECT title FROM app.posts WHERE id = ?", 1);
        query(second, "SELECT title FROM app.posts WHERE id = ?", 1);
        second.commit();
        second.setAutoCommit(true);
        second.createStatement().execute("DISCARD ALL");
        second.setAutoCommit(false);
        query(second, "SELECT 1");
        return all(failure(x -> query(x, "SELECT title FROM app.posts WHERE id = ?", 2), second), failure(x -> query(x, "SELECT 2"), second));
      }
    });
    STEPS.put("search_path_changed", c -> {
      try (Connection second = open("prepareThreshold", "1")) {
        List<Object> found = new ArrayList<>();
        for (String path : List.of("app", "public", "app")) {
          second.createStatement().execute("SET search_path = " + path);
          found.add(failure(x -> query(x, "SELECT count(*) FROM labels"), second));
        }
        return found;
      }
    });
    STEPS.put("many_statements", c -> {
      try (Connection second = open("prepareThreshold", "1", "preparedStatementCacheQueries", "4")) {
        for (int i = 0; i < 30; i++) query(second, "SELECT " + i + " + ?", 1);
        return query(second, "SELECT count(*) FROM app.posts");
      }
    });
    STEPS.put("cursor_with_hold", c -> failure(x -> {
      try (Statement statement = x.createStatement(ResultSet.TYPE_FORWARD_ONLY, ResultSet.CONCUR_READ_ONLY, ResultSet.HOLD_CURSORS_OVER_COMMIT)) {
        statement.setFetchSize(5);
        return rows(statement.executeQuery("SELECT id FROM app.posts ORDER BY id")).size();
      }
    }, c));
    STEPS.put("scrolled", c -> {
      try (Statement statement = c.createStatement(ResultSet.TYPE_SCROLL_INSENSITIVE, ResultSet.CONCUR_READ_ONLY)) {
        ResultSet result = statement.executeQuery("SELECT id FROM app.posts ORDER BY id");
        result.last();
        int last = result.getInt(1);
        result.absolute(3);
        return all(last, result.getInt(1));
      }
    });
  }

  static void sessions() {
    STEPS.put("read_only", c -> {
      c.setReadOnly(true);
      c.setAutoCommit(false);
      Object found = query(c, "SHOW transaction_read_only");
      c.commit();
      c.setAutoCommit(true);
      c.setReadOnly(false);
      return found;
    });
    STEPS.put("read_only_always", c -> {
      try (Connection second = open("readOnlyMode", "always")) {
        second.setReadOnly(true);
        Object found = query(second, "SHOW transaction_read_only");
        return all(found, failure(x -> { x.setReadOnly(false); return null; }, second));
      }
    });
    STEPS.put("isolation", c -> {
      int before = c.getTransactionIsolation();
      c.setTransactionIsolation(Connection.TRANSACTION_REPEATABLE_READ);
      int after = c.getTransactionIsolation();
      c.setTransactionIsolation(before);
      return all(before, after);
    });
    STEPS.put("savepoints", c -> {
      c.setAutoCommit(false);
      Savepoint point = c.setSavepoint("here");
      String found = failure(x -> query(x, "SELECT 1 / (id - 1) FROM app.labels"), c);
      c.rollback(point);
      Object after = query(c, "SELECT 1");
      c.commit();
      c.setAutoCommit(true);
      return all(found, after);
    });
    STEPS.put("time_zone", c -> query(c, "SELECT created_at::text FROM app.posts WHERE id = 1"));
    STEPS.put("timeout", c -> {
      try (Statement statement = c.createStatement()) {
        statement.setQueryTimeout(1);
        return all(failure(x -> statement.executeQuery(SLOW), c), query(c, "SELECT 1"));
      }
    });
    STEPS.put("cancel", c -> {
      try (Statement statement = c.createStatement()) {
        new Timer(true).schedule(new TimerTask() {
          public void run() {
            try { statement.cancel(); } catch (SQLException ignored) { throw new IllegalStateException(ignored); }
          }
        }, 300);
        return all(failure(x -> statement.executeQuery(SLOW), c), query(c, "SELECT 1"));
      }
    });
    STEPS.put("errors", c -> {
      List<Object> found = new ArrayList<>();
      for (String sql : List.of("SELECT * FROM app.missing", "SELEC 1", "SELECT 1 / (id - 1) FROM app.labels", "UPDATE app.labels SET name = ''", "LISTEN news"))
        found.add(failure(x -> x.createStatement().execute(sql), c));
      return found;
    });
    STEPS.put("reconnect", c -> {
      try (Connection second = open()) {
        return query(second, "SELECT count(*) FROM app.posts");
      }
    });
  }

  public static void main(String[] arguments) throws Exception {
    connecting();
    metadata();
    querying();
    traps();
    sessions();
    try (Connection connection = open()) {
      for (Map.Entry<String, Step> step : STEPS.entrySet()) {
        String outcome;
        try {
          outcome = "\"said\": " + json(step.getValue().take(connection));
        } catch (SQLException raised) {
          System.err.println(step.getKey() + ": " + raised.getMessage());
          outcome = "\"error\": " + json(raised.getSQLState());
          if (!connection.getAutoCommit()) { connection.rollback(); connection.setAutoCommit(true); }
        }
        System.out.println("{\"step\": " + json(step.getKey()) + ", " + outcome + "}");
      }
    }
    System.out.println("{\"step\": \"end\", \"said\": 1}");
  }
}
