//! How the router proves to a NATS server who it is.
//!
//! Files are read again before each attempt to connect: what was renewed on disk holds from the next
//! connection on. Messages never quote what a file or a key holds.

use crate::{net::credentials::Credentials, sources::options::NatsAuthentication};
use async_nats::{Auth, AuthError, ConnectOptions, ServerAddr};
use nkeys::{KeyPair, KeyPairType};
use std::path::Path;

const JWT_MARK: &str = "BEGIN NATS USER JWT";
const SEED_MARK: &str = "BEGIN USER NKEY SEED";

/// Options with what is configured, or with what stands before a host in the servers' addresses.
pub(super) fn connect_options(
    configured: Option<&NatsAuthentication>,
    servers: &[ServerAddr],
) -> Result<ConnectOptions, String> {
    let base = ConnectOptions::new();
    match configured {
        Some(NatsAuthentication::Token(token)) => Ok(base.token(token.clone())),
        Some(NatsAuthentication::User { username, password }) => {
            Ok(base.user_and_password(username.clone(), password.clone()))
        }
        Some(signing) => {
            // What is wrong with it already is told at the start.
            read(signing, |path| std::fs::read_to_string(path))?;
            let signing = signing.clone();
            Ok(ConnectOptions::with_auth_callback(move |nonce| answer(signing.clone(), nonce)))
        }
        None => Ok(match servers.iter().find_map(in_address) {
            Some(Credentials { user, password: Some(password) }) => base.user_and_password(user, password),
            Some(Credentials { user: token, password: None }) => base.token(token),
            None => base,
        }),
    }
}

/// What stands before the host, which the library ignores.
fn in_address(server: &ServerAddr) -> Option<Credentials> {
    let user = server.username().filter(|_| server.has_user_pass())?;
    Some(match server.password() {
        Some(password) => Credentials::parse(&format!("{user}:{password}")),
        None => Credentials::parse(user),
    })
}

/// What a connection is opened with, in answer to the server's nonce.
async fn answer(signing: NatsAuthentication, nonce: Vec<u8>) -> Result<Auth, AuthError> {
    let text = match file_of(&signing) {
        Some(path) => Some(tokio::fs::read_to_string(path).await),
        None => None,
    };
    let identity = read(&signing, |_| text.unwrap_or_else(|| Ok(String::new()))).map_err(AuthError::new)?;
    identity.answer(&nonce)
}

/// A key, and what its owner may do if the server does not know that itself.
struct Identity {
    jwt: Option<String>,
    key: KeyPair,
}

impl Identity {
    fn answer(self, nonce: &[u8]) -> Result<Auth, AuthError> {
        let mut auth = Auth::new();
        auth.signature = Some(self.key.sign(nonce).map_err(AuthError::new)?);
        match self.jwt {
            Some(jwt) => auth.jwt = Some(jwt),
            None => auth.nkey = Some(self.key.public_key()),
        }
        Ok(auth)
    }
}

fn file_of(signing: &NatsAuthentication) -> Option<&Path> {
    match signing {
        NatsAuthentication::NkeySeedFile(path) | NatsAuthentication::CredentialsFile(path) => Some(path),
        _ => None,
    }
}

fn read(
    signing: &NatsAuthentication,
    open: impl FnOnce(&Path) -> std::io::Result<String>,
) -> Result<Identity, String> {
    let in_file = |path: &Path, parse: fn(&str) -> Result<Identity, String>| {
        let text = open(path).map_err(|error| format!("{}: {error}", path.display()))?;
        parse(&text).map_err(|reason| format!("{}: {reason}", path.display()))
    };
    match signing {
        NatsAuthentication::NkeySeed(seed) => {
            key_only(seed).map_err(|reason| format!("authentication: {reason}"))
        }
        NatsAuthentication::NkeySeedFile(path) => in_file(path, key_only),
        NatsAuthentication::CredentialsFile(path) => in_file(path, credentials),
        NatsAuthentication::Token(_) | NatsAuthentication::User { .. } => {
            Err("authentication: nothing to sign with".to_owned())
        }
    }
}

/// A seed alone, or in the frame and among the remarks that tools write.
fn key_only(text: &str) -> Result<Identity, String> {
    let seed = framed(text, SEED_MARK)
        .or_else(|| text.lines().map(str::trim).find(|it| it.starts_with("SU")))
        .ok_or("there is no seed of a user's nkey, which starts with `SU`")?;
    Ok(Identity { jwt: None, key: user_key(seed)? })
}

/// A file as `nsc generate creds` writes it.
fn credentials(text: &str) -> Result<Identity, String> {
    let jwt = framed(text, JWT_MARK).ok_or_else(|| format!("there is no `{JWT_MARK}`"))?;
    let seed = framed(text, SEED_MARK).ok_or_else(|| format!("there is no `{SEED_MARK}`"))?;
    Ok(Identity { jwt: Some(jwt.to_owned()), key: user_key(seed)? })
}

/// The line behind the one with the mark.
fn framed<'a>(text: &'a str, mark: &str) -> Option<&'a str> {
    let line = text.lines().skip_while(|it| !it.contains(mark)).nth(1)?.trim();
    (!line.is_empty() && !line.starts_with('-')).then_some(line)
}

fn user_key(seed: &str) -> Result<KeyPair, String> {
    match KeyPair::from_seed(seed) {
        Ok(key) if key.key_pair_type() == KeyPairType::User => Ok(key),
        Ok(_) => Err("the nkey is not a user's".to_owned()),
        Err(_) => Err("the nkey's seed is damaged".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seed(key: &KeyPair) -> String {
        key.seed().expect("made with it")
    }

    #[test]
    fn seeds_are_found_bare_and_framed() {
        let key = KeyPair::new_user();
        let seed = seed(&key);
        let framed =
            format!("-----BEGIN USER NKEY SEED-----\r\n{seed}\r\n------END USER NKEY SEED------\r\n");
        for text in
            [seed.clone(), format!("  {seed}\n"), format!("# a key\n{seed}\n{}", key.public_key()), framed]
        {
            let identity = key_only(&text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(identity.key.public_key(), key.public_key());
            let auth = identity.answer(b"nonce").expect("signed");
            assert_eq!(auth.nkey, Some(key.public_key()));
            key.verify(b"nonce", &auth.signature.expect("signed")).expect("its signature");
        }
    }

    #[test]
    fn credentials_hold_a_token_and_a_seed() {
        let key = KeyPair::new_user();
        let text = format!(
            "-----BEGIN NATS USER JWT-----\na.b-c.d_e\n------END NATS USER JWT------\n\n*** IMPORTANT ***\n\n\
             -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
            seed(&key)
        );
        let auth = credentials(&text).and_then(|it| it.answer(b"n").map_err(|it| it.to_string()));
        let auth = auth.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((auth.jwt.as_deref(), auth.nkey), (Some("a.b-c.d_e"), None));
        for broken in
            [text.replace("JWT", "JTW"), text.replace("SEED", "SED"), text.replace("a.b-c.d_e\n", "")]
        {
            assert!(credentials(&broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn what_is_no_users_key_is_refused_and_not_quoted() {
        let account = seed(&KeyPair::new_account());
        let user = seed(&KeyPair::new_user());
        let damaged = user.replace(&user[20..24], "2222");
        let framed = format!("{SEED_MARK}\n{account}\n");
        for text in ["", "hunter2", "SU", "SUé", &account, &framed, &damaged, &user[..57]] {
            let error = key_only(text).err().unwrap_or_else(|| panic!("{text}"));
            assert!(text.is_empty() || text == "SU" || !error.contains(text), "{error}");
        }
    }
}
