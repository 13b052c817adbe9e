//! A line between the router and a broker that breaks in the ways a network does: it is cut, it stalls with
//! its ends open, and it garbles what passes. What it does is asked for; what it damages follows from a seed.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
};

/// Connections at a time; more are hung up on.
const CONNECTIONS_MAX: usize = 64;

/// The line. Dropped, it hangs up on everyone.
pub(crate) struct FaultyLine {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: Option<JoinHandle<()>>,
}

/// What passes and what does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Open,
    /// Nothing is forwarded in either direction; who connects is let in and hears nothing.
    Stalled,
    /// Who connects is hung up on.
    Closed,
}

/// What happens to the bytes that the router is about to get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Damage {
    /// The first byte of a line is another one.
    Flipped,
    /// There are bytes that nobody sent.
    Inserted,
    /// Some are missing.
    Missing,
}

struct Shared {
    target: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    mode: Mode,
    is_over: bool,
    random: fastrand::Rng,
    connections: Vec<Arc<Connection>>,
}

struct Connection {
    is_cut: AtomicBool,
    router: TcpStream,
    broker: Mutex<Option<TcpStream>>,
    /// Awaits the next bytes towards the router.
    damage: Mutex<Option<Damage>>,
}

impl FaultyLine {
    /// An open line to a broker on this machine.
    pub(crate) fn to(port: u16, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let random = fastrand::Rng::with_seed(seed);
        let state = State { mode: Mode::Open, is_over: false, random, connections: Vec::new() };
        let shared = Arc::new(Shared {
            target: SocketAddr::from(([127, 0, 0, 1], port)),
            state: Mutex::new(state),
            changed: Condvar::new(),
        });
        let accepting = shared.clone();
        let listening = thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                if accepting.state().is_over {
                    return;
                }
                accepting.let_in(socket);
            }
        });
        Self { address, shared, listening: Some(listening) }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Everything passes again, also what was held back.
    pub(crate) fn open(&self) {
        self.shared.set(Mode::Open);
    }

    /// Nothing passes, and nobody is told.
    pub(crate) fn stall(&self) {
        self.shared.set(Mode::Stalled);
    }

    /// Hangs up on everyone, and on who comes, until it is open again.
    pub(crate) fn close(&self) {
        self.shared.set(Mode::Closed);
        self.cut();
    }

    /// Hangs up on everyone; who comes again gets through.
    pub(crate) fn cut(&self) {
        let connections = std::mem::take(&mut self.shared.state().connections);
        connections.iter().for_each(|it| it.cut());
        self.shared.changed.notify_all();
    }

    /// Damages what the router gets next, on each connection once.
    pub(crate) fn garble(&self, damage: Damage) {
        for connection in &self.shared.state().connections {
            *lock(&connection.damage) = Some(damage);
        }
    }

    /// Connections that are open now.
    pub(crate) fn connections(&self) -> usize {
        let mut state = self.shared.state();
        state.connections.retain(|it| !it.is_cut.load(Relaxed));
        state.connections.len()
    }
}

impl Drop for FaultyLine {
    fn drop(&mut self) {
        self.shared.state().is_over = true;
        self.cut();
        // Wakes the one who accepts.
        let _ = TcpStream::connect(self.address);
        if let Some(listening) = self.listening.take() {
            let _ = listening.join();
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    fn set(&self, mode: Mode) {
        self.state().mode = mode;
        self.changed.notify_all();
    }

    fn let_in(self: &Arc<Self>, socket: TcpStream) {
        let mut state = self.state();
        state.connections.retain(|it| !it.is_cut.load(Relaxed));
        if state.mode == Mode::Closed || state.connections.len() >= CONNECTIONS_MAX {
            return;
        }
        let connection = Arc::new(Connection {
            is_cut: AtomicBool::new(false),
            router: socket,
            broker: Mutex::default(),
            damage: Mutex::default(),
        });
        state.connections.push(connection.clone());
        let shared = self.clone();
        thread::spawn(move || shared.carry(&connection));
    }

    /// Both directions of one connection, until one of them ends.
    fn carry(self: &Arc<Self>, connection: &Arc<Connection>) {
        if !self.passes(connection) {
            return;
        }
        let Ok(broker) = TcpStream::connect(self.target) else { return connection.cut() };
        let Ok(kept) = broker.try_clone() else { return connection.cut() };
        *lock(&connection.broker) = Some(kept);
        for socket in [&connection.router, &broker] {
            let _ = socket.set_nodelay(true);
        }
        thread::scope(|scope| {
            scope.spawn(|| {
                self.pump(connection, &connection.router, &broker, |bytes| bytes);
            });
            self.pump(connection, &broker, &connection.router, |bytes| {
                match lock(&connection.damage).take() {
                    Some(damage) => damaged(bytes, damage, &mut self.state().random),
                    None => bytes,
                }
            });
        });
    }

    fn pump(
        &self,
        connection: &Connection,
        mut from: &TcpStream,
        mut to: &TcpStream,
        change: impl Fn(Vec<u8>) -> Vec<u8>,
    ) {
        let mut buffer = [0; 16 << 10];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if !self.passes(connection) || to.write_all(&change(buffer[..count].to_vec())).is_err() {
                break;
            }
        }
        connection.cut();
    }

    /// Waits while the line is stalled; `false` once the connection is cut.
    fn passes(&self, connection: &Connection) -> bool {
        let is_held = |it: &mut State| it.mode == Mode::Stalled && !connection.is_cut.load(Relaxed);
        let waited = self.changed.wait_while(self.state(), is_held);
        drop(waited);
        !connection.is_cut.load(Relaxed)
    }
}

impl Connection {
    fn cut(&self) {
        self.is_cut.store(true, Relaxed);
        let _ = self.router.shutdown(Shutdown::Both);
        if let Some(broker) = &*lock(&self.broker) {
            let _ = broker.shutdown(Shutdown::Both);
        }
    }
}

/// Of numbers nothing is changed alone: what no protocol without a checksum can notice is for TLS to prevent.
fn damaged(mut bytes: Vec<u8>, damage: Damage, random: &mut fastrand::Rng) -> Vec<u8> {
    match damage {
        Damage::Flipped => {
            let starts: Vec<usize> =
                bytes.iter().enumerate().filter(|it| *it.1 == b'\n').map(|it| it.0 + 1).collect();
            let starts: Vec<usize> =
                std::iter::once(0).chain(starts).filter(|it| *it < bytes.len()).collect();
            bytes[starts[random.usize(..starts.len())]] ^= 0x55;
        }
        Damage::Inserted => {
            let at = random.usize(..=bytes.len());
            bytes.splice(at..at, *b"\0\xff?\r\n\xc3!\r\n");
        }
        Damage::Missing => {
            let at = random.usize(..bytes.len());
            let end = bytes.len().min(at + random.usize(1..=8));
            bytes.drain(at..end);
        }
    }
    bytes
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
