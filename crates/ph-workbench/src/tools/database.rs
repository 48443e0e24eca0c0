//! `query`: one SELECT on a SQLite database that cannot be written to.
//!
//! Three locks, each enough: the file is opened read-only, `query_only` is set,
//! and an authoriser refuses everything but reading.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ph_otlp::Kind;
use rmcp::schemars::JsonSchema;
use rusqlite::fallible_iterator::FallibleIterator as _;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::ValueRef;
use rusqlite::{Batch, Connection, ErrorCode, OpenFlags, Statement};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::{Answer, Scope, ToolError, blocking};
use crate::trace::Step;

#[derive(Deserialize, JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
#[serde(deny_unknown_fields)]
pub(crate) struct Query {
    /// One SELECT statement.
    sql: String,
}

#[derive(Default, Serialize, JsonSchema)]
#[schemars(crate = "rmcp::schemars")]
pub(crate) struct Rows {
    columns: Vec<String>,
    /// One array per row, in the order of the columns; a blob is given by its length.
    rows: Vec<Vec<Value>>,
    /// Whether there are more rows.
    truncated: bool,
}

const ROWS_MAX: usize = 500;
/// Sum of the texts in an answer.
const ANSWER_BYTES_MAX: usize = 256 << 10;
/// One value, and the memory that functions like `zeroblob` can ask for.
const VALUE_BYTES_MAX: i32 = 1 << 20;
const SQL_BYTES_MAX: i32 = 64 << 10;
const QUERY_TIME_MAX: Duration = Duration::from_secs(2);
/// Virtual machine steps between two looks at the clock, some microseconds.
const STEPS_PER_LOOK: i32 = 1_000;

/// A connection; one query at a time.
pub(crate) struct Database(Arc<Mutex<Connection>>);

impl Database {
    /// Opens `file`, or the demonstration when there is none.
    pub(crate) fn open(file: Option<&Path>) -> rusqlite::Result<Self> {
        let mut connection = match file {
            Some(file) => {
                let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                let connection = Connection::open_with_flags(file, flags)?;
                // Opening does not read: a file that is no database is told now, not at the first query.
                connection.query_row("SELECT count(*) FROM sqlite_master", [], |_| Ok(()))?;
                connection
            }
            None => {
                let connection = Connection::open_in_memory()?;
                connection.execute_batch(DEMONSTRATION)?;
                connection
            }
        };
        connection.pragma_update(None, "query_only", true)?;
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, VALUE_BYTES_MAX)?;
        connection.set_limit(Limit::SQLITE_LIMIT_SQL_LENGTH, SQL_BYTES_MAX)?;
        connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
        connection.authorizer(Some(authorize))?;
        Ok(Self(Arc::new(Mutex::new(connection))))
    }

    pub(super) async fn query(
        &self,
        Query { sql }: Query,
        scope: Scope,
    ) -> Result<Answer, ToolError> {
        let waiting = scope
            .cancel
            .run_until_cancelled(Arc::clone(&self.0).lock_owned());
        let mut connection = waiting.await.ok_or(ToolError::Cancelled)?;
        let rows = blocking(move || {
            let mut step = scope.trace.step("db.query", Kind::Client);
            step.set("db.system.name", "sqlite");
            let result = run(&mut connection, &sql, &scope.cancel, &mut step);
            if let Err(error) = &result {
                step.fail(error.as_label(), error.advice());
            }
            result
        });
        let rows = rows.await?;
        Ok(Answer::new(rows.text(), &rows))
    }
}

fn run(
    connection: &mut Connection,
    sql: &str,
    cancel: &CancellationToken,
    step: &mut Step,
) -> Result<Rows, ToolError> {
    let deadline = Instant::now() + QUERY_TIME_MAX;
    let stopped = cancel.clone();
    let must_end = move || stopped.is_cancelled() || Instant::now() >= deadline;
    connection
        .progress_handler(STEPS_PER_LOOK, Some(must_end))
        .map_err(ToolError::Sql)?;
    let result = read(connection, sql);
    connection
        .progress_handler(0, None::<fn() -> bool>)
        .map_err(ToolError::Sql)?;
    match &result {
        Ok(rows) => step.set(
            "db.response.returned_rows",
            i64::try_from(rows.rows.len()).unwrap_or(i64::MAX),
        ),
        Err(_) if cancel.is_cancelled() => return Err(ToolError::Cancelled),
        Err(_) => {}
    }
    result
}

fn read(connection: &Connection, sql: &str) -> Result<Rows, ToolError> {
    let mut batch = Batch::new(connection, sql);
    let Some(mut statement) = batch.next().map_err(explain)? else {
        return Err(ToolError::SqlCount);
    };
    if batch.next().map_err(explain)?.is_some() {
        return Err(ToolError::SqlCount);
    }
    if !statement.readonly() {
        return Err(ToolError::ReadOnly);
    }
    collect(&mut statement).map_err(explain)
}

fn collect(statement: &mut Statement<'_>) -> rusqlite::Result<Rows> {
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let (mut answer, mut bytes) = (
        Rows {
            columns,
            ..Rows::default()
        },
        0,
    );
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if answer.rows.len() == ROWS_MAX || bytes >= ANSWER_BYTES_MAX {
            answer.truncated = true;
            break;
        }
        let mut values = Vec::with_capacity(answer.columns.len());
        for column in 0..answer.columns.len() {
            let value = row.get_ref(column)?;
            if let ValueRef::Text(text) = value {
                bytes += text.len();
            }
            values.push(json(value));
        }
        answer.rows.push(values);
    }
    Ok(answer)
}

fn json(value: ValueRef<'_>) -> Value {
    match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => number.into(),
        ValueRef::Real(number) => number.into(),
        ValueRef::Text(text) => String::from_utf8_lossy(text).into(),
        ValueRef::Blob(bytes) => format!("<{} bytes>", bytes.len()).into(),
    }
}

impl Rows {
    /// Tab-separated, the columns first.
    fn text(&self) -> String {
        let mut text = self.columns.join("\t");
        for row in &self.rows {
            let row = row.iter().map(|value| {
                value
                    .as_str()
                    .map_or_else(|| value.to_string(), str::to_owned)
            });
            text.push('\n');
            text.push_str(&row.collect::<Vec<_>>().join("\t"));
        }
        if self.truncated {
            text.push_str(&format!(
                "\n[the first {} rows; add a WHERE or a LIMIT]",
                self.rows.len()
            ));
        }
        text
    }
}

fn explain(error: rusqlite::Error) -> ToolError {
    match error.sqlite_error_code() {
        Some(ErrorCode::AuthorizationForStatementDenied | ErrorCode::ReadOnly) => {
            ToolError::ReadOnly
        }
        Some(ErrorCode::OperationInterrupted) => ToolError::SqlTime(QUERY_TIME_MAX),
        _ => ToolError::Sql(error),
    }
}

/// Reading, functions, and the pragmas that only describe.
fn authorize(context: AuthContext<'_>) -> Authorization {
    const DESCRIBING: [&str; 7] = [
        "table_info",
        "table_xinfo",
        "table_list",
        "index_list",
        "index_info",
        "index_xinfo",
        "foreign_key_list",
    ];
    let is_reading = match context.action {
        AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => true,
        AuthAction::Function { function_name } => {
            !function_name.eq_ignore_ascii_case("load_extension")
        }
        AuthAction::Pragma { pragma_name, .. } => DESCRIBING
            .iter()
            .any(|it| it.eq_ignore_ascii_case(pragma_name)),
        _ => false,
    };
    if is_reading {
        Authorization::Allow
    } else {
        Authorization::Deny
    }
}

/// A little shop, the same at every start.
const DEMONSTRATION: &str = "
CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price_cents INTEGER NOT NULL, stock INTEGER NOT NULL);
INSERT INTO products (name, price_cents, stock) VALUES
    ('kettle', 3900, 12), ('teapot', 2450, 30), ('cup', 690, 144), ('saucer', 490, 120),
    ('strainer', 820, 41), ('tin of green tea', 1150, 75), ('tin of black tea', 990, 80),
    ('honey', 780, 26), ('tray', 1890, 9), ('tea towel', 560, 63);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY,
    product_id INTEGER NOT NULL REFERENCES products (id),
    quantity INTEGER NOT NULL,
    ordered_on TEXT NOT NULL
);
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200)
INSERT INTO orders (product_id, quantity, ordered_on)
SELECT 1 + (i * 7) % 10, 1 + (i * 5) % 4, date('2026-01-01', '+' || i || ' days') FROM n;
";
