//! Stores pools, clients, users and sessions in `SQLite`. Every method runs inside the transaction of one operation.

use std::path::{Path, PathBuf};

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, named_params, params};
use serde::de::DeserializeOwned;

use super::error::{ApiError, Fault, OpenError};
use super::secrets::{PasswordHash, Sha256Hash};
use super::settings::{ClientSettings, LONGEST_ACCESS, PoolSettings};
use super::tokens::SigningKey;

/// The version of `SCHEMA`. Increment it when `SCHEMA` changes.
const LAYOUT: i64 = 1;

// A session is one sign-in. Deleting a user deletes its sessions, and a later user with the same name has another
// `sub`.
const SCHEMA: &str = "
    CREATE TABLE pools (
        id TEXT PRIMARY KEY, name TEXT NOT NULL, settings TEXT NOT NULL, created_at INTEGER NOT NULL,
        key_id TEXT NOT NULL UNIQUE, key BLOB NOT NULL
    ) STRICT;
    CREATE TABLE clients (
        id TEXT PRIMARY KEY, pool_id TEXT NOT NULL REFERENCES pools, name TEXT NOT NULL, settings TEXT NOT NULL,
        created_at INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE users (
        sub TEXT PRIMARY KEY, pool_id TEXT NOT NULL REFERENCES pools, username TEXT NOT NULL,
        salt BLOB NOT NULL, password BLOB NOT NULL, password_set_at INTEGER NOT NULL, must_change INTEGER NOT NULL,
        created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,
        UNIQUE (pool_id, username)
    ) STRICT;
    CREATE TABLE sessions (
        origin_jti TEXT PRIMARY KEY, sub TEXT NOT NULL REFERENCES users ON DELETE CASCADE,
        client_id TEXT NOT NULL REFERENCES clients, refresh_hash BLOB NOT NULL UNIQUE,
        auth_time INTEGER NOT NULL, expires_at INTEGER NOT NULL, ended INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX sessions_of_user ON sessions (sub);
    CREATE INDEX sessions_by_expiry ON sessions (expires_at);
";

/// Opens the storage, and creates its tables if it is new.
pub(super) fn open(path: Option<&Path>) -> Result<Connection, OpenError> {
    let named = path.map_or_else(|| PathBuf::from(":memory:"), Path::to_path_buf);
    let failed = |source| OpenError::Storage { path: named.clone(), source };
    let mut connection = match path {
        Some(path) => Connection::open(path),
        None => Connection::open_in_memory(),
    }
    .map_err(failed)?;
    let found = prepare(&mut connection).map_err(failed)?;
    if found == LAYOUT { Ok(connection) } else { Err(OpenError::Layout { path: named, found }) }
}

/// Creates the tables if necessary. Returns the storage's layout.
fn prepare(connection: &mut Connection) -> rusqlite::Result<i64> {
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    // With a write-ahead log, committed data survives the death of the process. Only a power failure can lose the
    // latest commits.
    connection.pragma_update(None, "synchronous", "normal")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    let transaction = connection.transaction()?;
    let mut layout = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if layout == 0 {
        transaction.execute_batch(SCHEMA)?;
        transaction.pragma_update(None, "user_version", LAYOUT)?;
        layout = LAYOUT;
    }
    transaction.commit()?;
    Ok(layout)
}

pub(super) struct Pool {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) settings: PoolSettings,
    pub(super) created_at: i64,
    pub(super) key: SigningKey,
}

pub(super) struct Client {
    pub(super) id: String,
    pub(super) pool_id: String,
    pub(super) name: String,
    pub(super) settings: ClientSettings,
    pub(super) created_at: i64,
}

pub(super) struct User {
    pub(super) sub: String,
    pub(super) pool_id: String,
    pub(super) username: String,
    pub(super) password: Password,
    pub(super) created_at: i64,
    pub(super) updated_at: i64,
}

pub(super) struct Password {
    pub(super) hash: PasswordHash,
    pub(super) set_at: i64,
    /// Whether the password is temporary.
    pub(super) must_change: bool,
}

pub(super) struct Session {
    pub(super) origin_jti: String,
    pub(super) sub: String,
    pub(super) client_id: String,
    pub(super) auth_time: i64,
    pub(super) expires_at: i64,
    /// Whether the session was revoked or signed out.
    pub(super) ended: bool,
}

/// The filter of `ListUsers`.
pub(super) enum UserFilter {
    All,
    Username(String),
    UsernamePrefix(String),
    Sub(String),
}

/// The storage during one operation.
pub(super) struct Store<'a> {
    transaction: &'a Transaction<'a>,
    /// The time of the operation, in seconds since 1970.
    pub(super) now: i64,
}

impl<'a> Store<'a> {
    pub(super) fn new(transaction: &'a Transaction<'a>, now: i64) -> Self {
        Self { transaction, now }
    }

    // ---------------------------------------------------------------- pools and clients

    pub(super) fn add_pool(&self, pool: &Pool) -> Result<(), ApiError> {
        self.transaction.execute(
            "INSERT INTO pools (id, name, settings, created_at, key_id, key) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            params![pool.id, pool.name, json(&pool.settings)?, pool.created_at, pool.key.id(), pool.key.der()],
        )?;
        Ok(())
    }

    pub(super) fn pool(&self, id: &str) -> Result<Pool, ApiError> {
        let found = self.transaction.query_row("SELECT * FROM pools WHERE id = ?1", [id], pool_of).optional()?;
        found.ok_or_else(|| ApiError::no_pool(id))
    }

    /// The pool whose key has this id.
    pub(super) fn pool_of_key(&self, key_id: &str) -> Result<Option<Pool>, ApiError> {
        Ok(self.transaction.query_row("SELECT * FROM pools WHERE key_id = ?1", [key_id], pool_of).optional()?)
    }

    /// Pools in the order of their ids, starting after `after`.
    pub(super) fn pools(&self, after: &str, limit: usize) -> Result<Vec<Pool>, ApiError> {
        let mut statement = self.transaction.prepare("SELECT * FROM pools WHERE id > ?1 ORDER BY id LIMIT ?2")?;
        Ok(statement.query_map(params![after, limit], pool_of)?.collect::<Result<_, _>>()?)
    }

    pub(super) fn count_users(&self, pool_id: &str) -> Result<i64, ApiError> {
        Ok(self.transaction.query_row("SELECT count(*) FROM users WHERE pool_id = ?1", [pool_id], |row| row.get(0))?)
    }

    pub(super) fn add_client(&self, client: &Client) -> Result<(), ApiError> {
        self.transaction.execute(
            "INSERT INTO clients (id, pool_id, name, settings, created_at) VALUES (?1, ?2, ?3, ?4, ?5)",
            params![client.id, client.pool_id, client.name, json(&client.settings)?, client.created_at],
        )?;
        Ok(())
    }

    pub(super) fn client(&self, id: &str) -> Result<Client, ApiError> {
        let found = self.transaction.query_row("SELECT * FROM clients WHERE id = ?1", [id], client_of).optional()?;
        found.ok_or_else(|| ApiError::no_client(id))
    }

    // ---------------------------------------------------------------- users

    pub(super) fn add_user(&self, user: &User) -> Result<(), ApiError> {
        self.transaction.execute(
            "INSERT INTO users (sub, pool_id, username, salt, password, password_set_at, must_change, created_at, updated_at)
             VALUES (:sub, :pool_id, :username, :salt, :password, :set_at, :must_change, :created_at, :updated_at)",
            named_params! {
                ":sub": user.sub,
                ":pool_id": user.pool_id,
                ":username": user.username,
                ":salt": user.password.hash.salt,
                ":password": user.password.hash.hash,
                ":set_at": user.password.set_at,
                ":must_change": user.password.must_change,
                ":created_at": user.created_at,
                ":updated_at": user.updated_at,
            },
        )?;
        Ok(())
    }

    pub(super) fn user_by_name(&self, pool_id: &str, username: &str) -> Result<Option<User>, ApiError> {
        let query = "SELECT * FROM users WHERE pool_id = ?1 AND username = ?2";
        Ok(self.transaction.query_row(query, [pool_id, username], user_of).optional()?)
    }

    pub(super) fn user_by_sub(&self, sub: &str) -> Result<Option<User>, ApiError> {
        Ok(self.transaction.query_row("SELECT * FROM users WHERE sub = ?1", [sub], user_of).optional()?)
    }

    /// Users in the order of their names, starting after `after`.
    pub(super) fn users(
        &self,
        pool_id: &str,
        filter: &UserFilter,
        after: &str,
        limit: usize,
    ) -> Result<Vec<User>, ApiError> {
        let (condition, value) = match filter {
            UserFilter::All => ("?3 = ''", ""),
            UserFilter::Username(name) => ("username = ?3", name.as_str()),
            UserFilter::UsernamePrefix(prefix) => ("substr(username, 1, length(?3)) = ?3", prefix.as_str()),
            UserFilter::Sub(sub) => ("sub = ?3", sub.as_str()),
        };
        let mut statement = self.transaction.prepare(&format!(
            "SELECT * FROM users WHERE pool_id = ?1 AND username > ?2 AND {condition} ORDER BY username LIMIT ?4"
        ))?;
        let users = statement.query_map(params![pool_id, after, value, limit], user_of)?;
        Ok(users.collect::<Result<_, _>>()?)
    }

    pub(super) fn set_password(&self, sub: &str, password: &Password) -> Result<(), ApiError> {
        self.transaction.execute(
            "UPDATE users SET salt = ?2, password = ?3, password_set_at = ?4, must_change = ?5, updated_at = ?6
             WHERE sub = ?1",
            params![sub, password.hash.salt, password.hash.hash, password.set_at, password.must_change, self.now],
        )?;
        Ok(())
    }

    /// Deletes the user and all its sessions.
    pub(super) fn remove_user(&self, sub: &str) -> Result<(), ApiError> {
        self.transaction.execute("DELETE FROM users WHERE sub = ?1", [sub])?;
        Ok(())
    }

    // ---------------------------------------------------------------- sessions

    pub(super) fn add_session(&self, session: &Session, refresh_hash: &Sha256Hash) -> Result<(), ApiError> {
        self.transaction.execute(
            "INSERT INTO sessions (origin_jti, sub, client_id, refresh_hash, auth_time, expires_at, ended)
             VALUES (:origin_jti, :sub, :client_id, :refresh_hash, :auth_time, :expires_at, :ended)",
            named_params! {
                ":origin_jti": session.origin_jti,
                ":sub": session.sub,
                ":client_id": session.client_id,
                ":refresh_hash": refresh_hash,
                ":auth_time": session.auth_time,
                ":expires_at": session.expires_at,
                ":ended": session.ended,
            },
        )?;
        Ok(())
    }

    pub(super) fn session_by_refresh(&self, refresh_hash: &Sha256Hash) -> Result<Option<Session>, ApiError> {
        let query = "SELECT * FROM sessions WHERE refresh_hash = ?1";
        Ok(self.transaction.query_row(query, [refresh_hash], session_of).optional()?)
    }

    pub(super) fn session(&self, origin_jti: &str) -> Result<Option<Session>, ApiError> {
        let query = "SELECT * FROM sessions WHERE origin_jti = ?1";
        Ok(self.transaction.query_row(query, [origin_jti], session_of).optional()?)
    }

    pub(super) fn end_session(&self, origin_jti: &str) -> Result<(), ApiError> {
        self.transaction.execute("UPDATE sessions SET ended = 1 WHERE origin_jti = ?1", [origin_jti])?;
        Ok(())
    }

    /// Ends the sessions that the user has now. The order of transactions decides, not a clock: a later sign-in is
    /// another row, however soon it follows.
    pub(super) fn end_sessions_of(&self, sub: &str) -> Result<(), ApiError> {
        self.transaction.execute("UPDATE sessions SET ended = 1 WHERE sub = ?1", [sub])?;
        Ok(())
    }

    /// Deletes sessions whose tokens have all expired: the refresh token, and any access token that it issued just
    /// before its expiry.
    pub(super) fn drop_expired_sessions(&self) -> Result<(), ApiError> {
        self.transaction.execute("DELETE FROM sessions WHERE expires_at <= ?1", [self.now - LONGEST_ACCESS])?;
        Ok(())
    }
}

fn pool_of(row: &Row<'_>) -> rusqlite::Result<Pool> {
    Ok(Pool {
        id: row.get("id")?,
        name: row.get("name")?,
        settings: settings_of(row)?,
        created_at: row.get("created_at")?,
        key: SigningKey::stored(row.get("key_id")?, row.get("key")?),
    })
}

fn client_of(row: &Row<'_>) -> rusqlite::Result<Client> {
    Ok(Client {
        id: row.get("id")?,
        pool_id: row.get("pool_id")?,
        name: row.get("name")?,
        settings: settings_of(row)?,
        created_at: row.get("created_at")?,
    })
}

fn user_of(row: &Row<'_>) -> rusqlite::Result<User> {
    Ok(User {
        sub: row.get("sub")?,
        pool_id: row.get("pool_id")?,
        username: row.get("username")?,
        password: Password {
            hash: PasswordHash { salt: row.get("salt")?, hash: row.get("password")? },
            set_at: row.get("password_set_at")?,
            must_change: row.get("must_change")?,
        },
        created_at: row.get("created_at")?,
        updated_at: row.get("updated_at")?,
    })
}

fn session_of(row: &Row<'_>) -> rusqlite::Result<Session> {
    Ok(Session {
        origin_jti: row.get("origin_jti")?,
        sub: row.get("sub")?,
        client_id: row.get("client_id")?,
        auth_time: row.get("auth_time")?,
        expires_at: row.get("expires_at")?,
        ended: row.get("ended")?,
    })
}

fn settings_of<S: DeserializeOwned>(row: &Row<'_>) -> rusqlite::Result<S> {
    let text: String = row.get("settings")?;
    serde_json::from_str(&text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(0, Type::Text, Box::new(error)))
}

fn json(settings: &impl serde::Serialize) -> Result<String, ApiError> {
    serde_json::to_string(settings).map_err(|error| ApiError::Internal(Fault::Json(error)))
}
