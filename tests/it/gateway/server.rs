//! Real servers, started on a free loopback port with a database of their own.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;

use tempfile::TempDir;

use crate::harness::{DEADLINE, eventually};
use crate::prometheus::{Process, free_port, program};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Engine {
    Postgres,
    Mariadb,
}

/// Password of the accounts, with characters that a URL encodes.
const PASSWORD: &str = "p@ss:w/rd";
const ENCODED: &str = "p%40ss%3Aw%2Frd";

pub(super) struct Server {
    pub(super) engine: Engine,
    port: u16,
    directory: TempDir,
    process: Option<Process>,
}

impl Server {
    /// `None` if the programs are not installed, which is an error in CI.
    pub(super) async fn start(engine: Engine) -> Option<Self> {
        let needed: &[&str] = match engine {
            Engine::Postgres => &["psql", "setpriv"],
            Engine::Mariadb => &["mariadbd", "mariadb", "mariadb-install-db", "setpriv"],
        };
        if needed.iter().any(|name| program(name).is_none()) {
            return None;
        }
        let directory = tempfile::Builder::new()
            .prefix("gateway")
            .tempdir_in("/tmp");
        let directory = directory.unwrap();
        give(engine, directory.path());
        let mut server = Self {
            engine,
            port: free_port(),
            directory,
            process: None,
        };
        server.create();
        server.run().await;
        Some(server)
    }

    fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    fn create(&self) {
        let data = self.data();
        let data = data.to_str().unwrap();
        let done = match self.engine {
            Engine::Postgres => as_user("postgres", postgres("initdb"))
                .args(["-D", data, "-U", "root", "--auth=trust", "--no-sync"])
                .args(["-E", "UTF8", "--locale=C.UTF-8"])
                .output(),
            Engine::Mariadb => as_user("mysql", "mariadb-install-db".into())
                .args([
                    "--no-defaults",
                    "--skip-test-db",
                    "--auth-root-authentication-method=normal",
                ])
                .arg(format!("--datadir={data}"))
                .output(),
        };
        let done = done.unwrap();
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
        if self.engine == Engine::Postgres {
            // Passwords for the account of the exporter only.
            let rules = "host all ro 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n";
            fs::write(self.data().join("pg_hba.conf"), rules).unwrap();
        }
    }

    /// Starts the server, also again after [`Self::kill`].
    pub(super) async fn run(&mut self) {
        let data = self.data();
        let data = data.to_str().unwrap();
        let port = self.port.to_string();
        let mut command = match self.engine {
            Engine::Postgres => {
                let mut command = as_user("postgres", postgres("postgres"));
                command.args(["-D", data, "-p", &port, "-c", "fsync=off"]);
                command.args([
                    "-c",
                    "listen_addresses=127.0.0.1",
                    "-c",
                    "unix_socket_directories=",
                ]);
                command
            }
            Engine::Mariadb => {
                let mut command = as_user("mysql", "mariadbd".into());
                command.args(["--no-defaults", "--bind-address=127.0.0.1"]);
                command
                    .arg(format!("--port={port}"))
                    .arg(format!("--datadir={data}"));
                command
                    .arg(format!("--socket={data}/socket"))
                    .arg(format!("--pid-file={data}/pid"));
                command.args([
                    "--innodb-flush-log-at-trx-commit=0",
                    "--character-set-server=utf8mb4",
                ]);
                command
            }
        };
        let log = fs::File::create(self.directory.path().join("log")).unwrap();
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        self.process = Some(Process(command.spawn().unwrap()));
        let accepts = async || self.client("").arg_sql("SELECT 1").then_some(());
        eventually("the server accepts connections", accepts).await;
    }

    pub(super) fn kill(&mut self) {
        self.process = None;
    }

    /// A client for the administrator.
    fn client(&self, database: &str) -> Client {
        let port = self.port.to_string();
        let mut command = match self.engine {
            Engine::Postgres => {
                let database = if database.is_empty() {
                    "postgres"
                } else {
                    database
                };
                let mut command = Command::new("psql");
                command.args(["-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1"]);
                command.args(["-h", "127.0.0.1", "-U", "root", "-p", &port, "-d", database]);
                command
            }
            Engine::Mariadb => {
                let mut command = Command::new("mariadb");
                command.args([
                    "--no-defaults",
                    "--batch",
                    "--skip-column-names",
                    "--unbuffered",
                ]);
                command.args([
                    "--default-character-set=utf8mb4",
                    "-h",
                    "127.0.0.1",
                    "-u",
                    "root",
                ]);
                command
                    .args(["-P", &port])
                    .args((!database.is_empty()).then_some(database));
                command
            }
        };
        command.stderr(Stdio::piped()).stdin(Stdio::null());
        Client(command)
    }

    /// Executes statements, in the server's default database without a name.
    pub(super) fn execute(&self, database: &str, sql: &str) {
        let file = self.directory.path().join("statements.sql");
        fs::write(&file, sql).unwrap();
        let mut command = self.client(database).0;
        command.stdin(fs::File::open(&file).unwrap());
        let done = command.output().unwrap();
        assert!(
            done.status.success(),
            "{}",
            String::from_utf8_lossy(&done.stderr)
        );
    }

    pub(super) fn create_database(&self, name: &str) {
        let more = match self.engine {
            Engine::Postgres => "",
            Engine::Mariadb => " CHARACTER SET utf8mb4",
        };
        self.execute("", &format!("CREATE DATABASE {name}{more};"));
    }

    /// The account of the documentation: it reads the columns that it needs, and no others.
    pub(super) fn grant(&self, database: &str, columns: impl Fn(&str) -> Vec<String>) {
        let quote = |name: &String| match self.engine {
            Engine::Postgres => format!("\"{name}\""),
            Engine::Mariadb => format!("`{name}`"),
        };
        let account = match self.engine {
            Engine::Postgres => "ro".to_owned(),
            Engine::Mariadb => "ro@'127.0.0.1'".to_owned(),
        };
        let mut sql = match self.engine {
            Engine::Postgres => format!(
                "DO $$ BEGIN CREATE ROLE ro LOGIN PASSWORD '{PASSWORD}'; \
                 EXCEPTION WHEN duplicate_object THEN NULL; END $$;\n"
            ),
            Engine::Mariadb => {
                format!("CREATE USER IF NOT EXISTS {account} IDENTIFIED BY '{PASSWORD}';\n")
            }
        };
        for table in ["logs", "abilities", "channels", "tokens"] {
            let names: Vec<String> = columns(table).iter().map(quote).collect();
            let names = names.join(", ");
            sql.extend([
                "GRANT SELECT (",
                &names,
                ") ON ",
                table,
                " TO ",
                &account,
                ";\n",
            ]);
        }
        self.execute(database, &sql);
    }

    /// The URL of that account, with its password.
    pub(super) fn dsn(&self, database: &str) -> String {
        let scheme = match self.engine {
            Engine::Postgres => "postgres",
            Engine::Mariadb => "mysql",
        };
        format!("{scheme}://ro:{ENCODED}@127.0.0.1:{}/{database}", self.port)
    }

    /// A connection that stays open, for transactions.
    pub(super) fn session(&self, database: &str) -> Session {
        let mut command = self.client(database).0;
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (sender, answers) = mpsc::channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let input = child.stdin.take().unwrap();
        Session {
            child,
            input,
            answers,
            marks: 0,
        }
    }
}

struct Client(Command);

impl Client {
    fn arg_sql(mut self, sql: &str) -> bool {
        let option = if self.0.get_program() == "psql" {
            "-c"
        } else {
            "-e"
        };
        let done = self.0.args([option, sql]).output().unwrap();
        done.status.success()
    }
}

/// An open connection.
pub(super) struct Session {
    child: Child,
    input: ChildStdin,
    answers: mpsc::Receiver<String>,
    marks: u32,
}

impl Session {
    /// Executes statements and waits for their end.
    pub(super) fn execute(&mut self, sql: &str) {
        self.marks += 1;
        let mark = format!("done {}", self.marks);
        writeln!(self.input, "{sql};\nSELECT '{mark}';").unwrap();
        self.input.flush().unwrap();
        while self.answers.recv_timeout(DEADLINE).unwrap() != mark {}
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Servers refuse to run as root; then they run as the user of their package.
fn as_user(user: &str, program: PathBuf) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("setpriv");
    command
        .arg(format!("--reuid={user}"))
        .arg(format!("--regid={user}"));
    command.arg("--clear-groups").arg(program);
    command
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().unwrap();
    output.stdout == b"0\n"
}

fn give(engine: Engine, directory: &Path) {
    let user = match engine {
        Engine::Postgres => "postgres",
        Engine::Mariadb => "mysql",
    };
    if is_root() {
        let done = Command::new("chown").arg(user).arg(directory).status();
        assert!(done.unwrap().success());
    }
}

/// Debian keeps a version's programs in a directory of its own.
fn postgres(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut programs: Vec<PathBuf> = versions
        .filter_map(|entry| Some(entry.ok()?.path().join("bin").join(name)))
        .filter(|path| path.exists())
        .collect();
    programs.sort();
    programs.pop().unwrap_or_else(|| name.into())
}
