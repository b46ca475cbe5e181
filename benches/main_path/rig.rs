//! The two processes, a simulated CPA and the exporter, and their externally visible state.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{self, Child, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};
use std::{fs, io};

use anyhow::{Context, Result, bail};
use cpa_exporter::simulator::DEFAULT_KEY;
use rusqlite::{Connection, OpenFlags};

const BINARY: &str = env!("CARGO_BIN_EXE_cpa-exporter");
/// The simulator generates its backlog before it prints its address.
const PATIENCE: Duration = Duration::from_mins(2);
/// `USER_HZ`, which is 100 on every Linux.
const TICKS_PER_SECOND: f64 = 100.0;

/// A child process, killed on drop.
#[derive(Debug)]
struct Process {
    child: Child,
    lines: Receiver<String>,
}

impl Process {
    fn start(command: &mut process::Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {BINARY}"))?;
        let stderr = child.stderr.take().context("no standard error")?;
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Ok(Self { child, lines })
    }

    /// The result of `find` on the first line of standard error that matches.
    fn line<T>(&self, find: impl Fn(&str) -> Option<T>) -> Result<T> {
        let mut seen = String::new();
        loop {
            let Ok(line) = self.lines.recv_timeout(PATIENCE) else {
                bail!("the process did not say what was expected, but:\n{seen}");
            };
            if let Some(found) = find(&line) {
                return Ok(found);
            }
            seen.push_str(&line);
            seen.push('\n');
        }
    }

    fn id(&self) -> u32 {
        self.child.id()
    }

    /// Processor time in seconds: of the whole process and of threads named `name`.
    fn cpu(&self) -> Result<f64> {
        cpu_of(&format!("/proc/{}/stat", self.id()))
    }

    fn thread_cpu(&self, name: &str) -> Result<f64> {
        let mut sum = 0.0;
        for task in fs::read_dir(format!("/proc/{}/task", self.id()))? {
            let task = task?.path();
            if fs::read_to_string(task.join("comm"))?.trim_end() == name {
                sum += cpu_of(&task.join("stat").display().to_string())?;
            }
        }
        Ok(sum)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            drop(writeln!(io::stderr(), "process not ended: {error}"));
        }
    }
}

fn cpu_of(stat: &str) -> Result<f64> {
    let text = fs::read_to_string(stat)?;
    // The name in brackets can contain any character; user and system time are the 12th and 13th
    // fields after it.
    let (_, fields) = text.rsplit_once(')').context("no name in stat")?;
    let ticks = fields.split_whitespace().skip(11).take(2);
    let ticks: Result<Vec<u32>, _> = ticks.map(str::parse).collect();
    Ok(ticks?.into_iter().map(f64::from).sum::<f64>() / TICKS_PER_SECOND)
}

/// A CPA with simulated traffic, in a process of its own.
#[derive(Debug)]
pub(crate) struct Cpa {
    process: Process,
    pub(crate) address: SocketAddr,
}

impl Cpa {
    /// `options` are those of `cpa-exporter simulate`, separated by blanks.
    pub(crate) fn start(options: &str) -> Result<Self> {
        let mut command = process::Command::new(BINARY);
        command
            .args(["simulate", "--listen", "127.0.0.1:0", "--retention", "1h"])
            .args(options.split_whitespace());
        let process = Process::start(&mut command)?;
        let address = process.line(|line| {
            let (_, rest) = line.split_once("http://")?;
            rest.split_once(',')?.0.parse().ok()
        })?;
        Ok(Self { process, address })
    }

    pub(crate) fn cpu(&self) -> Result<f64> {
        self.process.cpu()
    }
}

/// A running exporter.
#[derive(Debug)]
pub(crate) struct Exporter {
    process: Process,
    directory: PathBuf,
    pub(crate) address: SocketAddr,
    pub(crate) began: Instant,
}

impl Exporter {
    pub(crate) fn start(cpa: SocketAddr, directory: &Path) -> Result<Self> {
        Self::start_with(cpa, directory, &[])
    }

    pub(crate) fn start_with(cpa: SocketAddr, directory: &Path, flags: &[&str]) -> Result<Self> {
        let mut command = process::Command::new(BINARY);
        command
            .env("CPA_MANAGEMENT_KEY", DEFAULT_KEY)
            .args(["--cpa.url", &format!("http://{cpa}")])
            .arg("--storage.path")
            .arg(directory)
            .args(["--web.listen-address", "127.0.0.1:0"])
            .args(["--log.format", "json"])
            .args(flags);
        let began = Instant::now();
        let process = Process::start(&mut command)?;
        let address = process.line(|line| {
            let (_, rest) = line.split_once("\"address\":\"")?;
            rest.split_once('"')?.0.parse().ok()
        })?;
        Ok(Self {
            process,
            directory: directory.into(),
            address,
            began,
        })
    }

    pub(crate) fn cpu(&self) -> Result<f64> {
        self.process.cpu()
    }

    /// Processor time of the ingest thread.
    pub(crate) fn ingest_cpu(&self) -> Result<f64> {
        self.process.thread_cpu("ingest")
    }

    /// Resident memory in MiB: now (`VmRSS`) or at most (`VmHWM`).
    pub(crate) fn memory(&self, key: &str) -> Result<f64> {
        memory_of(self.process.id(), key)
    }

    /// Whether the spool contains records.
    pub(crate) fn has_received(&self) -> Result<bool> {
        // A segment without frames is only its header.
        const HEADER: u64 = 28;
        let Ok(files) = fs::read_dir(self.directory.join("spool")) else {
            return Ok(false);
        };
        for file in files {
            // A segment deleted meanwhile had frames.
            match file?.metadata() {
                Ok(metadata) if metadata.len() <= HEADER => {}
                Ok(_) | Err(_) => return Ok(true),
            }
        }
        Ok(false)
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.directory.join("cpa-exporter.db")
    }

    /// A second connection to the database.
    pub(crate) fn events(&self) -> Events {
        Events {
            database: self.database(),
            open: None,
        }
    }

    /// Sends SIGTERM, as systemd does, and waits for the end.
    pub(crate) fn stop(mut self) -> Result<()> {
        let id = self.process.id().to_string();
        let sent = process::Command::new("kill")
            .args(["-TERM", &id])
            .status()?;
        if !sent.success() {
            bail!("no signal sent");
        }
        let status = self.process.child.wait()?;
        if !status.success() {
            let rest: Vec<_> = self.process.lines.try_iter().collect();
            bail!("the exporter ended with {status}:\n{}", rest.join("\n"));
        }
        Ok(())
    }
}

fn memory_of(id: u32, key: &str) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{id}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    let kib = line.and_then(|line| line.split_whitespace().next());
    let kib: u32 = kib.context("no such line in status")?.parse()?;
    Ok(f64::from(kib) / 1024.0)
}

/// Resources used by a finished command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Command {
    pub(crate) seconds: f64,
    /// From the last samples, shortly before the end.
    pub(crate) cpu: f64,
    pub(crate) memory: f64,
}

impl Command {
    /// Runs a command on the storage of an exporter to its end.
    pub(crate) fn run(arguments: &[&str], directory: &Path) -> Result<Self> {
        let began = Instant::now();
        let mut child = process::Command::new(BINARY)
            .args(arguments)
            .arg("--storage.path")
            .arg(directory)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()?;
        let (mut cpu, mut memory) = (0.0, 0.0);
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            // Both files vanish when the process ends.
            cpu = cpu_of(&format!("/proc/{}/stat", child.id())).unwrap_or(cpu);
            memory = memory_of(child.id(), "VmHWM:").unwrap_or(memory);
            thread::sleep(Duration::from_millis(10));
        };
        let seconds = began.elapsed().as_secs_f64();
        if !status.success() {
            bail!("{arguments:?} ended with {status}");
        }
        Ok(Self {
            seconds,
            cpu,
            memory,
        })
    }
}

/// Reads the number of committed events.
#[derive(Debug)]
pub(crate) struct Events {
    database: PathBuf,
    /// Kept once the database is complete: a connection opened earlier does not see its tables.
    open: Option<Connection>,
}

impl Events {
    /// 0 without a database.
    pub(crate) fn count(&mut self) -> Result<u64> {
        if let Some(conn) = &self.open {
            return Ok(count(conn)?);
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let Ok(conn) = Connection::open_with_flags(&self.database, flags) else {
            return Ok(0);
        };
        conn.busy_timeout(Duration::from_secs(1))?;
        let events = count(&conn).unwrap_or(0);
        self.open = (events > 0).then_some(conn);
        Ok(events)
    }
}

fn count(conn: &Connection) -> rusqlite::Result<u64> {
    let mut statement = conn.prepare_cached("SELECT events FROM state")?;
    statement.query_row([], |row| row.get(0))
}

/// One persistent connection, as a scraper has it.
#[derive(Debug)]
pub(crate) struct Http {
    stream: BufReader<TcpStream>,
    address: SocketAddr,
}

impl Http {
    pub(crate) fn connect(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        Ok(Self {
            stream: BufReader::new(stream),
            address,
        })
    }

    /// Status and encoded body.
    pub(crate) fn get(&mut self, path: &str, headers: &str) -> Result<(u16, Vec<u8>)> {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\n{headers}\r\n",
            self.address
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status = line
            .split_whitespace()
            .nth(1)
            .context("no status")?
            .parse()?;
        let mut length = 0;
        loop {
            line.clear();
            self.stream.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(':') else {
                break;
            };
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse()?;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok((status, body))
    }
}
