//! One end is a transport under a poller, the other a TLS client whose records are sent by hand.

use super::*;
use mio::{Events, Poll};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection,
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use std::{net::TcpListener, process::Command, sync::Arc, time::Duration};

/// How long anything that must come may take.
const PATIENCE: Duration = Duration::from_secs(20);

struct Pair {
    transport: Transport,
    poll: Poll,
    client: Client,
}

struct Client {
    tls: ClientConnection,
    socket: std::net::TcpStream,
}

impl Pair {
    /// A session whose handshake is done, and both its sockets.
    fn connect() -> Self {
        let (mut client, mut server) = session();
        shake_hands(&mut client, &mut server);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let socket = std::net::TcpStream::connect(listener.local_addr().expect("bound")).expect("connected");
        socket.set_nodelay(true).expect("a socket");
        socket.set_read_timeout(Some(PATIENCE)).expect("a socket");
        let (accepted, _) = listener.accept().expect("accepted");
        accepted.set_nonblocking(true).expect("a socket");
        socket2::SockRef::from(&accepted).set_send_buffer_size(16 * 1024).expect("a socket");
        let (mut transport, poll) =
            (Transport::new(accepted, Some(server.into())), Poll::new().expect("a poller"));
        transport.register(poll.registry(), Token(0)).expect("registered");
        Self { transport, poll, client: Client { tls: client, socket } }
    }

    /// Waits for an edge.
    fn wait(&mut self) {
        wait(&mut self.poll);
    }

    /// Everything that is there without waiting.
    fn read_all(&mut self) -> Vec<u8> {
        let (mut all, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            match self.transport.read(&mut buffer) {
                Ok(count) => all.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return all,
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Waits for edges until a read says something else than that it would block.
    fn read_in_time(&mut self) -> io::Result<Vec<u8>> {
        let mut buffer = [0; 4096];
        loop {
            match self.transport.read(&mut buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.wait(),
                result => return result.map(|count| buffer[..count].to_vec()),
            }
        }
    }
}

impl Client {
    /// Encrypts; what comes out is one record, unless the text is long.
    fn encrypt(&mut self, text: &[u8]) -> Vec<u8> {
        self.tls.writer().write_all(text).expect("taken");
        self.records()
    }

    /// What TLS has to send.
    fn records(&mut self) -> Vec<u8> {
        let mut records = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut records).expect("memory takes everything");
        }
        records
    }

    fn send(&mut self, bytes: &[u8]) {
        self.socket.write_all(bytes).expect("sent");
    }

    /// What comes next; empty at an orderly end.
    fn hear(&mut self) -> Vec<u8> {
        let mut buffer = [0; 4096];
        loop {
            match self.tls.reader().read(&mut buffer) {
                Ok(count) => return buffer[..count].to_vec(),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => panic!("{error}"),
            }
            self.tls.read_tls(&mut self.socket).expect("bytes in time");
            self.tls.process_new_packets().expect("TLS");
        }
    }

    fn hear_all(&mut self, length: usize) -> Vec<u8> {
        let mut heard = Vec::new();
        while heard.len() < length {
            heard.extend(self.hear());
        }
        heard
    }
}

fn wait(poll: &mut Poll) {
    let mut events = Events::with_capacity(8);
    poll.poll(&mut events, Some(PATIENCE)).expect("polled");
    assert!(!events.is_empty(), "nothing happened in time");
}

fn session() -> (ClientConnection, ServerConnection) {
    let provider = Arc::new(ring::default_provider());
    let pem = self_signed();
    let certificate = CertificateDer::from_pem_slice(&pem).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(&pem).expect("a key");
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).expect("a certificate");
    let builder = ServerConfig::builder_with_provider(provider.clone()).with_safe_default_protocol_versions();
    let server = builder.expect("versions").with_no_client_auth().with_single_cert(vec![certificate], key);
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let client = builder.expect("versions").with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("127.0.0.1").expect("a name");
    let client = ClientConnection::new(Arc::new(client), name).expect("a client");
    (client, ServerConnection::new(Arc::new(server.expect("a pair"))).expect("a server"))
}

/// A key and its certificate, in one text.
fn self_signed() -> Vec<u8> {
    let made = Command::new("openssl")
        .args(["req", "-x509", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE", "-nodes", "-days", "2"])
        .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-keyout", "-", "-out", "-"])
        .output()
        .expect("openssl is needed to make certificates: install the package `openssl`");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    made.stdout
}

/// In memory, to the last ticket.
fn shake_hands(client: &mut ClientConnection, server: &mut ServerConnection) {
    while client.wants_write() || server.wants_write() {
        let (mut up, mut down) = (Vec::new(), Vec::new());
        while client.wants_write() {
            client.write_tls(&mut up).expect("memory takes everything");
        }
        let mut rest = &up[..];
        while !rest.is_empty() {
            server.read_tls(&mut rest).expect("bytes");
            server.process_new_packets().expect("a handshake");
        }
        while server.wants_write() {
            server.write_tls(&mut down).expect("memory takes everything");
        }
        let mut rest = &down[..];
        while !rest.is_empty() {
            client.read_tls(&mut rest).expect("bytes");
            client.process_new_packets().expect("a handshake");
        }
    }
}

#[test]
fn two_frames_in_one_record_are_both_read() {
    let mut pair = Pair::connect();
    let record = pair.client.encrypt(b"firstsecond");
    pair.client.send(&record);
    let mut buffer = [0; 5];
    pair.wait();
    while pair.transport.read(&mut buffer).is_err() {
        pair.wait();
    }
    assert_eq!(&buffer, b"first");
    // Nothing more comes from the socket, and no edge.
    assert_eq!(pair.read_all(), b"second");
}

#[test]
fn records_may_come_byte_by_byte() {
    let mut pair = Pair::connect();
    let record = pair.client.encrypt(b"a frame");
    pair.wait();
    assert_eq!(pair.read_all(), b"");
    let (last, before) = record.split_last().expect("bytes");
    for byte in before {
        pair.client.send(&[*byte]);
        pair.wait();
        assert_eq!(pair.read_all(), b"");
        assert!(pair.transport.is_drained(), "a short read has emptied the socket");
    }
    pair.client.send(&[*last]);
    assert_eq!(pair.read_in_time().expect("a frame"), b"a frame");
}

/// More than TLS reads at a time: the rest must not wait for an edge.
#[test]
fn what_is_left_in_the_socket_is_known() {
    let mut pair = Pair::connect();
    let text = vec![b'x'; 12 * 1024];
    let records = pair.client.encrypt(&text);
    pair.client.send(&records);
    let (mut all, mut buffer) = (Vec::new(), [0; 16 * 1024]);
    while all.len() < text.len() {
        match pair.transport.read(&mut buffer) {
            Ok(count) => all.extend_from_slice(&buffer[..count]),
            Err(_) => pair.wait(),
        }
    }
    assert_eq!(all, text);
}

#[test]
fn a_socket_that_refuses_in_the_middle_of_a_record_loses_nothing() {
    let mut pair = Pair::connect();
    let text: Vec<u8> = (0..8 << 20).map(|it| (it % 251) as u8).collect();
    let mut taken = pair.transport.write(&text).expect("the socket takes something");
    assert!(taken < text.len(), "the socket takes everything");
    let refused = |result: io::Result<usize>| result.is_err_and(|it| it.kind() == ErrorKind::WouldBlock);
    assert!(refused(pair.transport.write(&text[taken..])), "nothing is taken behind a record that waits");
    assert!(refused(pair.transport.flush().map(|()| 0)));
    let (mut client, length) = (pair.client, text.len());
    let reader = std::thread::spawn(move || client.hear_all(length));
    while taken < text.len() || pair.transport.flush().is_err() {
        match pair.transport.write(&text[taken..]) {
            Ok(count) => taken += count,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                wait(&mut pair.poll);
            }
        }
    }
    assert!(reader.join().expect("a client") == text, "in order and whole");
}

#[test]
fn both_sides_end_in_order() {
    let mut pair = Pair::connect();
    assert_eq!(pair.transport.write(b"bye").expect("room"), 3);
    pair.transport.shutdown().expect("room");
    assert_eq!((pair.client.hear(), pair.client.hear()), (b"bye".to_vec(), Vec::new()));
    pair.client.tls.send_close_notify();
    let records = pair.client.records();
    pair.client.send(&records);
    assert_eq!(pair.read_in_time().expect("an orderly end"), b"");
}

/// Otherwise somebody on the way could cut a conversation short unnoticed.
#[test]
fn an_end_without_notice_is_an_error() {
    let mut pair = Pair::connect();
    let record = pair.client.encrypt(b"half");
    pair.client.send(&record);
    pair.client.socket.shutdown(Shutdown::Write).expect("a socket");
    assert_eq!(pair.read_in_time().expect("what came before"), b"half");
    assert_eq!(pair.read_in_time().expect_err("no orderly end").kind(), ErrorKind::UnexpectedEof);
}

#[test]
fn garbage_is_an_error_and_answered_with_an_alert() {
    let mut pair = Pair::connect();
    pair.client.send(b"GET / HTTP/1.1\r\n\r\n");
    assert_eq!(pair.read_in_time().expect_err("no TLS").kind(), ErrorKind::InvalidData);
    pair.client.tls.read_tls(&mut pair.client.socket).expect("an alert in time");
    let told = pair.client.tls.process_new_packets().expect_err("a fatal one");
    assert!(matches!(told, rustls::Error::AlertReceived(_)), "{told}");
}

#[test]
fn what_tls_has_to_answer_goes_out_while_reading() {
    let mut pair = Pair::connect();
    pair.client.tls.refresh_traffic_keys().expect("TLS 1.3");
    let record = pair.client.encrypt(b"with new keys");
    pair.client.send(&record);
    assert_eq!(pair.read_in_time().expect("a frame"), b"with new keys");
    assert_eq!(pair.transport.write(b"so are ours").expect("room"), 11);
    assert_eq!(pair.client.hear(), b"so are ours");
    assert!(!pair.transport.tls.as_ref().expect("TLS").connection.wants_write());
}
