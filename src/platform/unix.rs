use std::{
    ffi::OsString,
    fs::{DirBuilder, Metadata, OpenOptions},
    io,
    os::unix::{
        fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
        net::{SocketAddr, UnixDatagram},
    },
    path::Path,
};

use rustix::time::{ClockId, clock_gettime};
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

use super::{Signal, State};

use crate::errors::Chain;

pub(super) fn make_dir_private(builder: &mut DirBuilder) {
    builder.mode(0o700);
}

pub(super) fn make_file_private(options: &mut OpenOptions) {
    options.mode(0o600);
}

/// Whether every user of the machine may read the file.
pub fn is_world_readable(metadata: &Metadata) -> bool {
    metadata.permissions().mode() & 0o004 != 0
}

/// Advice for a denied access to `path`, as the end of a message; empty for other errors.
pub fn access_remedy(path: &Path, error: &io::Error) -> String {
    remedy(path, error, false)
}

/// As [`access_remedy`], for a file of the storage directory: its directory must belong to this
/// user, because the exporter creates files in it.
pub fn storage_remedy(path: &Path, error: &io::Error) -> String {
    remedy(path, error, true)
}

fn remedy(path: &Path, error: &io::Error, writes: bool) -> String {
    if error.kind() != io::ErrorKind::PermissionDenied {
        return String::new();
    }
    let user = rustix::process::geteuid().as_raw();
    let is_missing = |path: &Path| {
        let looked = path.symlink_metadata();
        looked.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    };
    let path = match path.parent() {
        Some(parent) if is_missing(path) && is_missing(parent) => {
            let parent = parent.display();
            return format!(
                "; this process runs as user {user}: `install -d -o {user} {parent}` makes the \
                 directory for it"
            );
        }
        Some(parent) if is_missing(path) => parent,
        _ => path,
    };
    // The metadata below a closed directory is unreadable; use the nearest readable ancestor.
    let place = path
        .ancestors()
        .find_map(|place| Some((place, place.metadata().ok()?)));
    let Some((place, metadata)) = place else {
        return format!("; this process runs as user {user}");
    };
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    let is_dir = metadata.is_dir();
    let shown = place.display();
    let command = command(path, place, is_dir, owner, user, writes);
    format!(
        "; this process runs as user {user}, {shown} belongs to user {owner} with mode {mode:o}: \
         {command}"
    )
}

/// What opens `place`, a file or the closed directory above `path`, to `user`.
fn command(path: &Path, place: &Path, is_dir: bool, owner: u32, user: u32, writes: bool) -> String {
    let shown = place.display();
    if owner == user {
        format!("`chmod u+rwX {shown}` opens it")
    } else if writes && is_dir && (place == path || path.parent() == Some(place)) {
        // What the other user made in it is needed, too.
        format!("`chown -R {user} {shown}` gives it to this user, or run as user {owner}")
    } else if place == path {
        format!("`chown {user} {shown}` gives it to this user, or run as user {owner}")
    } else {
        format!("`chmod o+x {shown}` lets other users through, or run as user {owner}")
    }
}

/// Device and inode, which name a file as long as it is open.
pub fn file_id(metadata: &Metadata) -> Option<(u64, u64)> {
    Some((metadata.dev(), metadata.ino()))
}

/// Bytes that an unprivileged process can still write below `path`.
pub fn free_space(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(path).ok()?;
    stat.f_bavail.checked_mul(stat.f_frsize)
}

/// The process's signals since its creation.
#[derive(Debug)]
pub struct Signals {
    terminate: Stream,
    interrupt: Stream,
    hangup: Stream,
    user: Stream,
}

impl Signals {
    /// Installs the handlers: from here on the signals do not end the process.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
            user: signal(SignalKind::user_defined1())?,
        })
    }

    /// Cancel-safe: a signal without a waiting call is kept for the next one.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            Some(()) = self.terminate.recv() => Signal::Stop,
            Some(()) = self.interrupt.recv() => Signal::Stop,
            Some(()) = self.hangup.recv() => Signal::Reload,
            Some(()) = self.user.recv() => Signal::Refresh,
        }
    }
}

/// Implements systemd's readiness protocol; does nothing without a service manager.
#[derive(Clone, Debug)]
pub struct Notifier {
    socket: Option<OsString>,
}

impl Notifier {
    /// `socket` is the value of `NOTIFY_SOCKET`.
    pub fn new(socket: Option<OsString>) -> Self {
        let socket = socket.filter(|name| !name.is_empty());
        Self { socket }
    }

    /// Logs a failure; the service manager is not essential.
    pub fn notify(&self, state: State) {
        let Some(socket) = &self.socket else { return };
        if let Err(error) = send(socket, &message(state)) {
            let error = tracing::field::display(Chain(&error));
            tracing::warn!(error, ?state, "service manager could not be notified");
        }
    }
}

fn send(socket: &OsString, message: &str) -> io::Result<()> {
    let address = address(socket)?;
    UnixDatagram::unbound()?
        .send_to_addr(message.as_bytes(), &address)
        .map(drop)
}

/// A leading `@` means the abstract namespace, which only Linux has.
fn address(socket: &OsString) -> io::Result<SocketAddr> {
    #[cfg(target_os = "linux")]
    {
        use std::os::{linux::net::SocketAddrExt as _, unix::ffi::OsStrExt as _};
        if let Some(name) = socket.as_bytes().strip_prefix(b"@") {
            return SocketAddr::from_abstract_name(name);
        }
    }
    SocketAddr::from_pathname(socket)
}

fn message(state: State) -> String {
    match state {
        State::Ready => "READY=1\n".to_owned(),
        State::Stopping => "STOPPING=1\n".to_owned(),
        State::Reloading => {
            // `Type=notify-reload` accepts the message only with the time of the reload.
            let now = clock_gettime(ClockId::Monotonic);
            let micros = now.tv_sec.saturating_mul(1_000_000) + now.tv_nsec / 1_000;
            format!("RELOADING=1\nMONOTONIC_USEC={micros}\n")
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, time::Duration};

    use super::{
        super::{create_private_dir, create_private_file},
        *,
    };

    #[test]
    fn a_denied_path_has_its_owner_and_a_command() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        fs::write(&file, "k").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o200)).unwrap();
        let user = rustix::process::geteuid().as_raw();
        let denied = io::ErrorKind::PermissionDenied.into();
        let shown = file.display();
        assert_eq!(
            access_remedy(&file, &denied),
            format!(
                "; this process runs as user {user}, {shown} belongs to user {user} with mode 200: \
                 `chmod u+rwX {shown}` opens it"
            )
        );
        // For a missing path, its directory denies the access.
        let shown = dir.path().display();
        let absent = access_remedy(&dir.path().join("absent"), &denied);
        assert!(absent.contains(&format!("{shown} belongs to")), "{absent}");
        let deeper = access_remedy(&dir.path().join("absent/file"), &denied);
        let made = format!("`install -d -o {user} {shown}/absent` makes the directory");
        assert!(deeper.contains(&made), "{deeper}");
        let others = access_remedy(&file, &io::ErrorKind::NotFound.into());
        assert_eq!(others, "");
    }

    #[test]
    fn a_storage_directory_of_another_user_is_given_to_this_one() {
        let remedy = |path: &str, place: &str, is_dir, writes| {
            command(Path::new(path), Path::new(place), is_dir, 0, 65532, writes)
        };
        let given = "`chown -R 65532 /srv/cpa` gives it to this user, or run as user 0";
        // Mode 700: nothing in it can be looked at. Mode 755: nothing can be created in it.
        assert_eq!(remedy("/srv/cpa/lock", "/srv/cpa", true, true), given);
        assert_eq!(remedy("/srv/cpa", "/srv/cpa", true, true), given);
        // A directory further up, and the one of a key, need not belong to this user.
        let through =
            |place| format!("`chmod o+x {place}` lets other users through, or run as user 0");
        assert_eq!(
            remedy("/root/cpa/lock", "/root", true, true),
            through("/root")
        );
        assert_eq!(remedy("/root/key", "/root", true, false), through("/root"));
        let file = "`chown 65532 /srv/key` gives it to this user, or run as user 0";
        assert_eq!(remedy("/srv/key", "/srv/key", false, false), file);
        assert_eq!(remedy("/srv/key", "/srv/key", false, true), file);
    }

    fn receive(socket: &UnixDatagram) -> String {
        socket
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        let mut buffer = [0; 256];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn the_service_manager_gets_each_state() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let notifier = Notifier::new(Some(path.into_os_string()));
        notifier.notify(State::Ready);
        assert_eq!(receive(&manager), "READY=1\n");
        notifier.notify(State::Reloading);
        let reloading = receive(&manager);
        let micros = reloading
            .strip_prefix("RELOADING=1\nMONOTONIC_USEC=")
            .unwrap();
        assert!(micros.trim_end().parse::<u64>().unwrap() > 0, "{reloading}");
        notifier.notify(State::Stopping);
        assert_eq!(receive(&manager), "STOPPING=1\n");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn an_abstract_socket_works() {
        use std::os::linux::net::SocketAddrExt as _;
        let name = format!("cpa-exporter-test-{}", std::process::id());
        let manager =
            UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        Notifier::new(Some(format!("@{name}").into())).notify(State::Ready);
        assert_eq!(receive(&manager), "READY=1\n");
    }

    #[test]
    fn without_a_service_manager_nothing_happens() {
        Notifier::new(None).notify(State::Ready);
        Notifier::new(Some(OsString::new())).notify(State::Ready);
        Notifier::new(Some("/nonexistent/notify".into())).notify(State::Ready);
    }

    #[test]
    fn private_files_and_directories_have_private_modes() {
        let dir = tempfile::tempdir().unwrap();
        let created = dir.path().join("a/b");
        create_private_dir(&created).unwrap();
        create_private_dir(&created).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&created), 0o700);
        let file = created.join("key");
        create_private_file(&file).unwrap();
        assert_eq!(mode(&file), 0o600);
        assert!(!is_world_readable(&fs::metadata(&file).unwrap()));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(is_world_readable(&fs::metadata(&file).unwrap()));
    }

    #[test]
    fn free_space_is_known_for_an_existing_directory() {
        let dir = tempfile::tempdir().unwrap();
        assert!(free_space(dir.path()).is_some_and(|bytes| bytes > 0));
        assert_eq!(free_space(&dir.path().join("absent")), None);
    }
}
