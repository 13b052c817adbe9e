//! nginx in front of the router, as `docs/clients.md` tells people to set it up: the lines of its recipe are run
//! as they stand there, with other addresses.

use super::{subscribers::Door, wait::wait_for};
use std::{
    env, fs,
    io::{self, Write},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(20);
/// Free ports may be taken between the look and nginx's own.
const ATTEMPTS: usize = 5;

/// nginx's program; without one a test has nothing to say, except in CI, where that is a failure.
pub fn find_or_excuse() -> Option<PathBuf> {
    // Where `scripts/nginx.sh` looks.
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    let found = folders.map(|it| it.join("nginx")).find(|it| it.is_file());
    if found.is_none() {
        let missing = "there is no nginx, so this is not tested; as root: apt-get install nginx";
        assert!(env::var_os("CI").is_none_or(|it| it.is_empty()), "{missing}");
        // Not `eprintln!`: what that says in tests that pass, nobody sees.
        drop(writeln!(io::stderr(), "{missing}"));
    }
    found
}

/// An nginx of one process, without TLS on one port and with it on another. Dropping it ends it and removes its
/// folder.
pub struct Nginx {
    child: Child,
    folder: PathBuf,
    plain: u16,
    tls: u16,
    authority: PathBuf,
}

/// What a certificate needs, as files.
pub struct Identity {
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub authority: PathBuf,
}

impl Nginx {
    /// Passes everything on to the router at this address; `more` are further lines for all its servers.
    pub fn start(program: &Path, router: &str, identity: &Identity, more: &str) -> Self {
        let attempts = (0..ATTEMPTS).find_map(|_| Self::attempt(program, router, identity, more).ok());
        attempts.expect("nginx listens")
    }

    fn attempt(program: &Path, router: &str, identity: &Identity, more: &str) -> Result<Self, String> {
        static FOLDERS: AtomicU32 = AtomicU32::new(0);
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let folder =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("nginx-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).expect("a folder for nginx");
        let [plain, tls] = free_ports();
        let file = folder.join("nginx.conf");
        let recipe = recipe(router, identity, plain, tls);
        fs::write(&file, configuration(&folder, &recipe, more)).expect("the configuration is written");
        let child = Command::new(program)
            .arg("-c")
            .arg(&file)
            .arg("-e")
            .arg(folder.join("error.log"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx starts");
        let mut nginx = Self { child, folder, plain, tls, authority: identity.authority.clone() };
        // It writes its id once it listens.
        let id = nginx.folder.join("nginx.pid");
        let listens = wait_for(PATIENCE, || match nginx.child.try_wait().expect("our child") {
            Some(_) => Some(false),
            None => id.is_file().then_some(true),
        });
        if listens == Some(true) { Ok(nginx) } else { Err(nginx.complaint()) }
    }

    /// What it wrote into its log.
    pub fn complaint(&self) -> String {
        fs::read_to_string(self.folder.join("error.log")).unwrap_or_default()
    }

    pub fn plain(&self) -> Door {
        Door::plain(&format!("http://127.0.0.1:{}/graphql", self.plain))
    }

    pub fn tls(&self) -> Door {
        Door {
            http: format!("https://127.0.0.1:{}/graphql", self.tls),
            authority: Some(self.authority.clone()),
        }
    }

    pub fn doors(&self) -> [Door; 2] {
        [self.plain(), self.tls()]
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // All fail only if the process or the folder is gone already.
        drop((self.child.kill(), self.child.wait()));
        drop(fs::remove_dir_all(&self.folder));
    }
}

fn free_ports() -> [u16; 2] {
    let listeners = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port"));
    listeners.map(|it| it.local_addr().expect("bound").port())
}

/// One process, so that its end is the end of all, and nothing outside of its folder.
fn configuration(folder: &Path, recipe: &str, more: &str) -> String {
    let folder = folder.display();
    let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|it| format!("    {it}_temp_path {folder}/{it};\n"))
        .concat();
    format!(
        "daemon off;\nmaster_process off;\nworker_processes 1;\npid {folder}/nginx.pid;\n\
         events {{ worker_connections 256; }}\n\
         http {{\n    access_log off;\n{temporary}    {more}\n{recipe}}}\n"
    )
}

/// The recipe of the manual, for both ports: without TLS its server has no lines about that.
fn recipe(router: &str, identity: &Identity, plain: u16, tls: u16) -> String {
    let manual = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/clients.md");
    let manual = fs::read_to_string(manual).expect("the manual");
    let (_, recipe) = manual.split_once("```nginx\n").expect("a recipe");
    let (recipe, _) = recipe.split_once("```").expect("an end");
    let recipe = replace(recipe, "http://127.0.0.1:3002", &format!("http://{router}"));
    let (map, server) = recipe.split_at(recipe.find("server {").expect("a server"));
    let bare: Vec<_> = server.lines().filter(|it| !it.trim().starts_with("ssl_")).collect();
    let bare = replace(&bare.join("\n"), "listen 443 ssl http2;", &format!("listen 127.0.0.1:{plain};"));
    let server = replace(server, "listen 443 ", &format!("listen 127.0.0.1:{tls} "));
    let server = replace(&server, "/etc/ssl/router.pem", &identity.certificate.display().to_string());
    let server = replace(&server, "/etc/ssl/router.key", &identity.key.display().to_string());
    format!("{map}{server}{bare}\n")
}

/// What is not there cannot be replaced: then the manual and this file have parted.
fn replace(text: &str, old: &str, new: &str) -> String {
    assert!(text.contains(old), "{old} in {text}");
    text.replace(old, new)
}
