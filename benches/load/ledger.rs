//! The account of one fleet: which connection got which event, and everything that was not as it should.

/// Events carry sequence numbers from 1; 0 is a probe that proves a subscription is live.
pub const PROBE: u64 = 0;

/// Expects of every connection each sequence number once and in order.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Per connection, the number that should come next.
    next: Vec<u64>,
    probed: Vec<bool>,
    /// Numbers that were jumped over and have not come since.
    holes: Vec<(usize, u64)>,
    pub delivered: u64,
    pub probes: usize,
    pub duplicates: u64,
    pub out_of_order: u64,
    /// Messages with another subscription's id.
    pub misrouted: u64,
    /// Messages that are no `next` with a sequence number, such as errors.
    pub unexpected: u64,
    /// Connections that the server closed.
    pub closed: u64,
}

impl Ledger {
    /// `first` is the first number that these connections must see.
    pub fn new(connections: usize, first: u64) -> Self {
        Self { next: vec![first; connections], probed: vec![false; connections], ..Self::default() }
    }

    pub fn receive(&mut self, connection: usize, sequence: u64) {
        if sequence == PROBE {
            self.probes += usize::from(!self.probed[connection]);
            self.probed[connection] = true;
            return;
        }
        let next = self.next[connection];
        if sequence >= next {
            self.holes.extend((next..sequence).map(|skipped| (connection, skipped)));
            self.next[connection] = sequence + 1;
            self.delivered += 1;
        } else if let Some(at) = self.holes.iter().position(|hole| *hole == (connection, sequence)) {
            self.holes.swap_remove(at);
            self.out_of_order += 1;
            self.delivered += 1;
        } else {
            self.duplicates += 1;
        }
    }

    /// Deliveries that should have happened, `last` included, and have not.
    pub fn missing(&self, last: u64) -> u64 {
        let behind: u64 = self.next.iter().map(|next| (last + 1).saturating_sub(*next)).sum();
        behind + self.holes.len() as u64
    }

    /// Everything that went wrong up to and including `last`.
    pub fn faults(&self, last: u64) -> u64 {
        let Self { duplicates, out_of_order, misrouted, unexpected, closed, .. } = self;
        self.missing(last) + duplicates + out_of_order + misrouted + unexpected + closed
    }

    /// One line for people who must find out what happened.
    pub fn describe(&self, last: u64) -> String {
        format!(
            "delivered {}, missing {}, duplicate {}, out of order {}, misrouted {}, unexpected {}, closed {}",
            self.delivered,
            self.missing(last),
            self.duplicates,
            self.out_of_order,
            self.misrouted,
            self.unexpected,
            self.closed,
        )
    }
}
