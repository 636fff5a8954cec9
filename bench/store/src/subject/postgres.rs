//! `PostgreSQL`: a server, started for each measurement with a cluster of its own and reached by a Unix socket.

use std::env;
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use postgres::{Client, Config, NoTls, Statement};

use super::server::Server;
use super::{Engine, Mode, Reads, Store};
use crate::front;
use crate::workload::Append;

const TABLE: &str =
    "CREATE TABLE events (stream int4, sequence int8, id uuid NOT NULL, payload bytea NOT NULL,
    PRIMARY KEY (stream, sequence))";
/// One round trip, and one commit, for any number of events.
const INSERT: &str =
    "INSERT INTO events SELECT * FROM unnest($1::int4[], $2::int8[], $3::uuid[], $4::bytea[])";
/// What differs from the defaults: no network, a connection for each writer, and sane memory.
const OPTIONS: [&str; 4] =
    ["listen_addresses=", "max_connections=300", "shared_buffers=512MB", "max_wal_size=4GB"];
/// How often a server that is starting is asked.
const ATTEMPTS: u32 = 200;

struct Postgres {
    config: Config,
    /// Those that nobody uses just now.
    connections: Mutex<Vec<Connection>>,
    _server: Server,
}

struct Connection {
    client: Client,
    insert: Statement,
}

/// The folder of its programs: one of the search path, or where Debian has them.
fn programs() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let debian = debian.map(|version| version.path().join("bin"));
    env::split_paths(&path)
        .chain(debian)
        .find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
}

pub(super) fn obstacle() -> Option<String> {
    programs().is_none().then(|| "initdb and postgres are not present".into())
}

/// The user and group to run it as, for it refuses to run as root; `None` if this is not root.
fn other_user() -> Result<Option<(u32, u32)>> {
    if fs::metadata("/proc/self")?.uid() != 0 {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let ids = |name: &str| {
        let mut fields =
            users.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":x:"))?.split(':');
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    let ids = ids("postgres").or_else(|| ids("nobody"));
    Ok(Some(ids.context("there is no user that it could run as")?))
}

pub(super) fn open(folder: &Path, mode: Mode) -> Result<Box<dyn Store>> {
    let programs = programs().context("it is not present")?;
    let user = other_user()?;
    if let Some((uid, gid)) = user {
        chown(folder, Some(uid), Some(gid))?;
    }
    let command = |program: &str| {
        let mut command = Command::new(programs.join(program));
        command.current_dir(folder).stdin(Stdio::null());
        if let Some((uid, gid)) = user {
            command.uid(uid).gid(gid);
        }
        command
    };
    let data = folder.join("data");
    let made = command("initdb")
        .arg("--pgdata")
        .arg(&data)
        .args(["--username", "bench", "--auth", "trust"])
        .status()?;
    ensure!(made.success(), "initdb failed");
    let mut server = command("postgres");
    server.arg("-D").arg(&data).arg("-k").arg(folder);
    server.args(OPTIONS.iter().flat_map(|option| ["-c", option]));
    let server = Server::start(server)?;
    let mut config = Config::new();
    config.host_path(folder).user("bench").dbname("postgres");
    first_connection(&config)?.batch_execute(TABLE)?;
    front::store(Postgres { config, connections: Mutex::default(), _server: server }, mode)
}

fn first_connection(config: &Config) -> Result<Client> {
    for _ in 1..ATTEMPTS {
        if let Ok(client) = config.connect(NoTls) {
            return Ok(client);
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(config.connect(NoTls)?)
}

impl Postgres {
    fn connect(&self) -> Result<Connection> {
        let mut client = self.config.connect(NoTls)?;
        let insert = client.prepare(INSERT)?;
        Ok(Connection { client, insert })
    }
}

impl Engine for Postgres {
    fn write(&self, appends: &[Append]) -> Result<()> {
        let free = self.connections.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut connection = free.map_or_else(|| self.connect(), Ok)?;
        let rows = || appends.iter().flat_map(|append| append.rows().map(move |row| (append.stream, row)));
        let streams: Vec<_> = rows().map(|(stream, _)| stream.0 as i32).collect();
        let sequences: Vec<_> = rows().map(|(_, (sequence, _))| sequence as i64).collect();
        let ids: Vec<_> = rows().map(|(_, (_, event))| event.id).collect();
        let payloads: Vec<_> = rows().map(|(_, (_, event))| &event.payload[..]).collect();
        connection.client.execute(&connection.insert, &[&streams, &sequences, &ids, &payloads])?;
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        Ok(())
    }
}

impl Reads for Postgres {}
