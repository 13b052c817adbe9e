//! The NATS provider against servers that ask who it is, and against several servers at once.

#![expect(clippy::disallowed_methods, reason = "deadlines of tests")]

#[path = "support/io.rs"]
mod io;
#[path = "support/nats.rs"]
mod nats;
#[path = "support/sources.rs"]
mod sources;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine};
use juga::{
    resolve::Brokers,
    sources::{NatsAuthentication, NatsOptions, Options, Report, Ticket},
};
use nats::{NatsServer, until};
use nkeys::KeyPair;
use serde_json::{Value, json};
use sources::{Rig, event, feed, nats_message};
use std::path::PathBuf;

fn options(url: String, authentication: NatsAuthentication, skip_unavailable_providers: bool) -> Options {
    let authentication = Some(authentication);
    let nats = vec![NatsOptions { authentication, ..NatsOptions::new("default", url) }];
    Options { nats, skip_unavailable_providers, ..Options::default() }
}

fn start(url: String, authentication: NatsAuthentication) -> Result<Rig, String> {
    Rig::try_start(options(url, authentication, false), 100).map_err(|error| error.to_string())
}

fn works(rig: &Rig) {
    rig.listen(1, &feed("default", &["a"]));
    rig.wait(rig.sources().publish(nats_message("default", "a", "{}"))).expect("published");
    assert_eq!(rig.next(1), event(1, "{}"));
}

fn seed(key: &KeyPair) -> String {
    key.seed().expect("made with it")
}

/// A folder of a test's own, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn of(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("juga-nats-auth-{test}-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("temporary folder");
        Self(path)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).expect("a file");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn server_with_user(user: &KeyPair) -> NatsServer {
    NatsServer::start_with_config(&format!(
        "authorization {{ users = [ {{ nkey: {} }} ] }}",
        user.public_key()
    ))
}

#[test]
fn an_nkey_opens_the_server_from_a_value_and_from_a_file() {
    let (folder, user, stranger) = (Folder::of("nkey"), KeyPair::new_user(), KeyPair::new_user());
    let server = server_with_user(&user);
    works(&start(server.url(), NatsAuthentication::NkeySeed(seed(&user))).expect("the seed"));
    let file = folder.write("user.nk", &format!("{}\n", seed(&user)));
    works(&start(server.url(), NatsAuthentication::NkeySeedFile(file)).expect("the file"));

    let error = start(server.url(), NatsAuthentication::NkeySeed(seed(&stranger))).err().expect("a stranger");
    assert!(error.contains("authorization violation"), "{error}");
}

#[test]
fn a_key_that_cannot_be_read_stops_the_start_in_words() {
    let (folder, server) = (Folder::of("unreadable"), NatsServer::start());
    let missing = folder.0.join("missing.creds");
    for (authentication, wanted) in [
        (NatsAuthentication::CredentialsFile(missing.clone()), "missing.creds"),
        (NatsAuthentication::NkeySeedFile(missing), "missing.creds"),
        (NatsAuthentication::CredentialsFile(folder.write("bare.creds", "hunter2")), "BEGIN NATS USER JWT"),
        (NatsAuthentication::NkeySeed("hunter2".into()), "starts with `SU`"),
        (NatsAuthentication::NkeySeed(seed(&KeyPair::new_account())), "starts with `SU`"),
    ] {
        for lenient in [false, true] {
            let options = options(server.url(), authentication.clone(), lenient);
            let outcome = Rig::try_start(options, 100).map_err(|error| error.to_string());
            let error = outcome.err().expect("no key");
            assert!(
                error.starts_with("nats provider with ID default is not configured correctly: "),
                "{error}"
            );
            assert!(error.contains(wanted) && !error.contains("hunter2"), "{error}");
        }
    }
}

/// An operator's server: it knows accounts by their JWTs, and users by what they bring.
struct Operator {
    account: KeyPair,
    server: NatsServer,
}

impl Operator {
    fn start() -> Self {
        let (operator, account) = (KeyPair::new_operator(), KeyPair::new_account());
        let unlimited = json!({ "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1,
            "wildcards": true, "conn": -1, "leaf": -1 });
        let of_operator = jwt(&operator, &operator, json!({ "type": "operator", "version": 2 }));
        let claims = json!({ "type": "account", "version": 2, "limits": unlimited });
        let of_account = jwt(&operator, &account, claims);
        let server = NatsServer::start_with_config(&format!(
            "operator: {of_operator}\nresolver: MEMORY\nresolver_preload: {{ {}: {of_account} }}\n",
            account.public_key()
        ));
        Self { account, server }
    }

    /// What `nsc generate creds` would write for a new user.
    fn credentials(&self) -> String {
        let user = KeyPair::new_user();
        let claims = json!({ "type": "user", "version": 2, "pub": {}, "sub": {}, "subs": -1, "data": -1, "payload": -1 });
        format!(
            "-----BEGIN NATS USER JWT-----\n{}\n------END NATS USER JWT------\n\n\
             ************************* IMPORTANT *************************\n\
             NKEY Seed printed below can be used to sign and prove identity.\n\n\
             -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
            jwt(&self.account, &user, claims),
            seed(&user)
        )
    }
}

/// A token in which the issuer says what the subject may do.
fn jwt(issuer: &KeyPair, subject: &KeyPair, nats: Value) -> String {
    let header = BASE64_URL_SAFE_NO_PAD.encode(json!({ "typ": "JWT", "alg": "ed25519-nkey" }).to_string());
    let claims = json!({ "jti": "test", "iat": 1_700_000_000, "iss": issuer.public_key(), "name": "test",
        "sub": subject.public_key(), "nats": nats });
    let text = format!("{header}.{}", BASE64_URL_SAFE_NO_PAD.encode(claims.to_string()));
    let signature = BASE64_URL_SAFE_NO_PAD.encode(issuer.sign(text.as_bytes()).expect("a key that signs"));
    format!("{text}.{signature}")
}

#[test]
fn a_credentials_file_opens_an_operators_server() {
    let (folder, operator) = (Folder::of("creds"), Operator::start());
    let file = folder.write("user.creds", &operator.credentials());
    works(&start(operator.server.url(), NatsAuthentication::CredentialsFile(file)).expect("the file"));

    let elsewhere = folder.write("other.creds", &Operator::start().credentials());
    let error = start(operator.server.url(), NatsAuthentication::CredentialsFile(elsewhere));
    let error = error.err().expect("another operator's user");
    assert!(error.contains("authorization violation"), "{error}");
    start(operator.server.url(), NatsAuthentication::Token("t".into())).err().expect("a token is no JWT");
}

#[test]
fn a_file_that_is_renewed_holds_from_the_next_attempt_on() {
    let (folder, operator) = (Folder::of("renewed"), Operator::start());
    let file = folder.write("user.creds", &Operator::start().credentials());
    let authentication = NatsAuthentication::CredentialsFile(file);
    let rig = Rig::start(options(operator.server.url(), authentication, true));
    assert!(!rig.status("default").up);
    folder.write("user.creds", &operator.credentials());
    until("the new file is used", || rig.status("default").up.then_some(()));
    works(&rig);
}

/// Through the configuration file.
#[test]
fn keys_of_the_configuration_reach_the_server() {
    let (folder, user, operator) = (Folder::of("config"), KeyPair::new_user(), Operator::start());
    let (file, seed_file) =
        (folder.write("user.creds", &operator.credentials()), folder.write("user.nk", &seed(&user)));
    let server = server_with_user(&user);
    folder.write("supergraph.graphql", "");
    for (url, keys) in [
        (server.url(), format!("nkey_seed: {}", seed(&user))),
        (server.url(), format!("nkey_seed_file: '{}'", seed_file.display())),
        (operator.server.url(), format!("credentials_file: '{}'", file.display())),
    ] {
        let text = format!(
            "supergraph: {{ file: ./supergraph.graphql }}\n\
             events: {{ providers: {{ nats: [{{ id: default, url: '{url}', authentication: {{ {keys} }} }}] }} }}\n"
        );
        let environment = juga::config::Environment {
            variables: Default::default(),
            stdout_is_terminal: false,
            cores: 2,
            current_folder: folder.0.clone(),
        };
        let path = folder.0.join("juga.yaml");
        let config =
            juga::config::Config::load(&text, &path, &environment, &juga::config::Overrides::default());
        let config = config.unwrap_or_else(|report| panic!("{report}"));
        works(&Rig::start(config.options().expect("a graph").sources));
    }
}

fn both(servers: [&NatsServer; 2]) -> Options {
    let url = servers.map(NatsServer::url).join(", ");
    Options { nats: vec![NatsOptions::new("default", url)], ..Options::default() }
}

/// Which of them the router is connected to; the other has nobody.
fn place(servers: &[NatsServer; 2]) -> usize {
    until("one of them is used", || servers.iter().position(|it| it.subjects() == ["a"]))
}

#[test]
fn another_server_of_the_list_takes_over() {
    let mut servers = [NatsServer::start(), NatsServer::start()];
    let rig = Rig::start(both([&servers[0], &servers[1]]));
    rig.listen(1, &feed("default", &["a"]));
    for n in 1..=4 {
        let at = place(&servers);
        servers[at].kill();
        assert_eq!([rig.next(1), rig.next(1)], [Report::Interrupted, Report::Restored]);
        assert_eq!(servers[1 - at].subjects(), ["a"]);
        servers[1 - at].client().publish("a", b"{}");
        assert_eq!(rig.next(1), event(n, "{}"));
        servers[at].restart();
    }
    assert_eq!(rig.status("default").reconnects, 4);
    rig.sources().stop(Ticket(1));
    until("nothing is left", || servers.iter().all(|it| it.subjects_and_inboxes().is_empty()).then_some(()));
}

#[test]
fn a_strict_start_needs_one_server_of_the_list() {
    let mut servers = [NatsServer::start(), NatsServer::start()];
    servers[0].kill();
    works(&Rig::start(both([&servers[0], &servers[1]])));
    works(&Rig::start(both([&servers[1], &servers[0]])));
}

/// What stands before a host is percent-decoded, whichever of a list has it. What nobody escaped stands as it is.
#[test]
fn credentials_in_urls_are_percent_decoded() {
    let server = NatsServer::start_with_config(r#"authorization { user: "us@er", password: "p:a/ss%w+rd" }"#);
    let at = server.url().replace("nats://", "");
    for url in [
        format!("nats://us%40er:p%3Aa%2Fss%25w%2Brd@{at}"),
        format!("nats://us%40er:p:a%2fss%w+rd@{at}"),
        format!("nats://us%40er:p%3Aa%2Fss%25w+rd@127.0.0.1:1, nats://{at}"),
    ] {
        let options = Options { nats: vec![NatsOptions::new("default", url)], ..Options::default() };
        works(&Rig::try_start(options, 100).unwrap_or_else(|error| panic!("{error}")));
    }
    let server = NatsServer::start_with_config(r#"authorization { token: "t@ken" }"#);
    let url = server.url().replace("nats://", "nats://t%40ken@");
    let options = Options { nats: vec![NatsOptions::new("default", url)], ..Options::default() };
    works(&Rig::try_start(options, 100).unwrap_or_else(|error| panic!("{error}")));
}
