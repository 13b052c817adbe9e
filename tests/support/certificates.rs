//! Certificates for tests: an authority, what it signed, and an authority that nobody should believe.

#![allow(dead_code, reason = "each test file uses its own part")]

use juga::sources::ClientTls;
use std::{
    path::PathBuf,
    process::Command,
    sync::atomic::{AtomicU32, Ordering},
};

/// Certificates made for one test: an authority and what it signed.
pub(crate) struct Certificates {
    dir: PathBuf,
}

impl Certificates {
    pub(crate) fn make() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("juga-tls-{}-{count}", std::process::id()));
        std::fs::create_dir_all(&dir).expect("temporary folder");
        let made = Self { dir };
        for authority in ["ca", "other"] {
            let subject = format!("/CN={authority}");
            let extensions = ["-addext", "basicConstraints=critical,CA:TRUE"];
            made.openssl(
                &["req", "-x509", "-subj", &subject, "-keyout", &format!("{authority}.key")],
                &[&extensions[..], &["-out", &format!("{authority}.pem")]].concat(),
            );
        }
        for name in ["server", "client"] {
            made.sign("ca", name);
        }
        made
    }

    /// Makes a key and a certificate for 127.0.0.1, signed by this authority.
    pub(crate) fn sign(&self, authority: &str, name: &str) {
        let (certificate, signing) = (format!("{authority}.pem"), format!("{authority}.key"));
        let (key, out) = (format!("{name}.key"), format!("{name}.pem"));
        self.openssl(
            &["req", "-x509", "-CA", &certificate, "-CAkey", &signing, "-subj", "/CN=test"],
            &[
                "-addext",
                "subjectAltName=IP:127.0.0.1",
                "-addext",
                "basicConstraints=critical,CA:FALSE",
                "-keyout",
                &key,
                "-out",
                &out,
            ],
        );
    }

    fn openssl(&self, command: &[&str], rest: &[&str]) {
        let done = Command::new("openssl")
            .args(command)
            .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
            .args(rest)
            .current_dir(&self.dir)
            .output()
            .expect("openssl is needed to make certificates: install the package `openssl`");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.file(name).to_str().expect("UTF-8 path").to_owned()
    }

    /// TLS that believes what this authority signed, and shows no certificate.
    pub(crate) fn trusting(&self, authority: &str) -> ClientTls {
        ClientTls { ca_file: Some(self.file(authority)), ..ClientTls::default() }
    }
}

impl Drop for Certificates {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}
