//! `floor-send`: accepts sockets and sends the same bytes to each, one `send` per socket. Nothing that
//! delivers messages to as many sockets can be cheaper, so every cost is told as a multiple of it.

use super::process::Pinning;
use std::{
    env,
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

/// The argument under which this program becomes the floor.
pub const ROLE: &str = "floor-send";

/// The floor's process, driven over its standard streams.
pub struct Floor {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    pub address: SocketAddr,
}

impl Floor {
    /// Starts a floor that expects this many connections.
    pub fn start(connections: usize, pinning: Pinning) -> io::Result<Self> {
        let own = env::current_exe()?;
        let mut command = match pinning.server() {
            [] => Command::new(&own),
            [wrapper, arguments @ ..] => {
                let mut command = Command::new(wrapper);
                command.args(arguments).arg(&own);
                command
            }
        };
        command.args([ROLE, &connections.to_string()]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let commands = child.stdin.take().expect("piped");
        let mut answers = BufReader::new(child.stdout.take().expect("piped"));
        let address = answer(&mut answers)?.parse().map_err(io::Error::other)?;
        Ok(Self { child, commands, answers, address })
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until every expected connection was accepted.
    pub fn accepted(&mut self) -> io::Result<()> {
        answer(&mut self.answers).map(drop)
    }

    /// Asks for one round; [`Floor::sent`] tells when it is over.
    pub fn send(&mut self, frame: &[u8]) -> io::Result<()> {
        self.commands.write_all(&(frame.len() as u64).to_be_bytes())?;
        self.commands.write_all(frame)
    }

    pub fn sent(&mut self) -> io::Result<()> {
        answer(&mut self.answers).map(drop)
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        drop((self.child.kill(), self.child.wait()));
    }
}

fn answer(answers: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    match answers.read_line(&mut line)? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(line.trim().to_owned()),
    }
}

/// What the floor's process does.
pub fn run(connections: usize) -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let mut answers = io::stdout();
    writeln!(answers, "{}", listener.local_addr()?)?;
    let mut sockets: Vec<TcpStream> = Vec::with_capacity(connections);
    while sockets.len() < connections {
        let (socket, _) = listener.accept()?;
        socket.set_nodelay(true)?;
        sockets.push(socket);
    }
    writeln!(answers, "accepted")?;
    let (mut commands, mut length, mut frame) = (io::stdin().lock(), [0; 8], Vec::new());
    while commands.read_exact(&mut length).is_ok() {
        frame.resize(usize::try_from(u64::from_be_bytes(length)).map_err(io::Error::other)?, 0);
        commands.read_exact(&mut frame)?;
        for socket in &mut sockets {
            socket.write_all(&frame)?;
        }
        writeln!(answers, "sent")?;
    }
    Ok(())
}
