//! The protocol's cryptography, behind two small traits, so that its implementation can be replaced: everything that
//! the engine knows of `boringtun` is in this file.
//!
//! What the traits promise beyond the protocol: the first MAC of a handshake is looked at before anything that costs
//! more; a node's key is known before any state is made for it; nothing panics, whatever a datagram holds; and nothing
//! waits in a queue here.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use boringtun::noise::errors::WireGuardError;
use boringtun::noise::handshake::parse_handshake_anon;
use boringtun::noise::rate_limiter::RateLimiter;
use boringtun::noise::{Packet, Tunn, TunnResult};
use boringtun::x25519::{PublicKey, StaticSecret};

use super::throttle::Throttle;
use super::{LivePeer, PrivateKey};
use crate::types::WireguardKey;

/// How many bytes a message is longer than the packet in it: 16 of header, 16 of tag.
pub(super) const OVERHEAD: usize = 32;
/// The length of the message that starts a handshake.
pub(super) const INITIATION: usize = LivePeer::INITIATION;
/// The length of the second message of a handshake.
const RESPONSE: usize = 92;
/// The length of the message that asks for a cookie to be sent back.
pub(super) const COOKIE: usize = 64;

/// From this counter on a key may not be used any more (whitepaper, 6.1). The implementation does not look, and adds
/// to the counter: without a look at it, a node could make the sum overflow.
const REJECT_AFTER_MESSAGES: u64 = u64::MAX - (1 << 13);
/// From this age on a session may not be used any more (whitepaper, 6.1).
pub(super) const REJECT_AFTER_TIME: Duration = Duration::from_secs(180);

/// What a datagram says that it is. Nothing of it is proven.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The start of a handshake.
    Initiation,
    /// The answer to a handshake that we started, the request for a cookie to be sent back, or data: for the session
    /// that we numbered so.
    Of {
        /// The number.
        session: u32,
        /// Whether it is data.
        data: bool,
    },
}

impl Kind {
    /// What a datagram says that it is; none when it is not WireGuard's.
    pub(super) fn of(datagram: &[u8]) -> Option<Self> {
        let word = |at: usize| {
            datagram.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes).unwrap_or_default()
        };
        match (word(0), datagram.len()) {
            (1, INITIATION) => Some(Self::Initiation),
            (2, RESPONSE) => Some(Self::Of { session: word(8), data: false }),
            (3, COOKIE) => Some(Self::Of { session: word(4), data: false }),
            (4, OVERHEAD..) => Some(Self::Of { session: word(4), data: true }),
            _ => None,
        }
    }
}

/// The part of an initiation that the initiator cannot make twice: its time, sealed. The rest of the message, such as
/// the number that the initiator gives its session, can be changed by whoever saw it.
pub(super) fn fingerprint(initiation: &[u8; INITIATION]) -> &[u8] {
    &initiation[88..116]
}

/// What becomes of the start of a handshake.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Admission {
    /// It was made for us, by the holder of this key.
    Key(WireguardKey),
    /// There is too much to do: the sender must prove its address with a cookie, which was written.
    Cookie,
    /// There is too much to do, and the sender, whose address is proven, has had its share.
    Throttled,
    /// It was not made for us.
    Refused,
}

/// What a message was.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Received<'a> {
    /// The start of a handshake; this is the answer.
    Started(&'a [u8]),
    /// The end of a handshake that we started; this is to be sent.
    Completed(&'a [u8]),
    /// A packet of the node.
    Packet(&'a [u8]),
    /// A proof that the node lives.
    Keepalive,
    /// A cookie, which was kept.
    Cookie,
    /// It was received before, or is too old to tell.
    Replay,
    /// Nobody proves who made it, or nothing can be done with it.
    Refused,
}

/// What is to be done for a tunnel by now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due<'a> {
    /// This is to be sent.
    Send(&'a [u8]),
    /// Nothing.
    Nothing,
    /// Its keys are too old: nothing can be sent or received with it.
    Over,
}

/// The server's side of the protocol.
pub(super) trait Noise: Send + Sync {
    /// The tunnel to one node.
    type Tunnel: TunnelNoise;

    /// Looks at the start of a handshake: first MAC, load, then whose it is. No state is made. A cookie is written to
    /// the first `COOKIE` bytes of `answer`.
    fn admit(&self, from: IpAddr, initiation: &[u8], answer: &mut [u8; COOKIE], now: Instant) -> Admission;

    /// Makes the state of a tunnel. Its sessions get the numbers `index << 8` to `index << 8 | 255`.
    fn tunnel(&self, key: &WireguardKey, index: u32) -> Self::Tunnel;

    /// Lets the next second's handshakes in; to be called once a second or more often.
    fn next_second(&self, now: Instant);
}

/// The protocol with one node. `out` must be longer than the datagram or packet by `OVERHEAD`, and than `INITIATION`.
pub(super) trait TunnelNoise {
    /// Takes a message.
    fn receive<'a>(&mut self, from: IpAddr, datagram: &[u8], out: &'a mut [u8]) -> Received<'a>;

    /// Seals a packet; without a session, starts a handshake instead, and the packet is lost. None when there is
    /// nothing to send.
    fn seal<'a>(&mut self, packet: &[u8], out: &'a mut [u8]) -> Option<&'a [u8]>;

    /// Does what is to be done by now.
    fn tick<'a>(&mut self, now: Instant, out: &'a mut [u8]) -> Due<'a>;
}

/// The server's side by `boringtun`.
pub(super) struct BoringNoise {
    private: StaticSecret,
    public: PublicKey,
    /// Counts handshakes before they cost anything.
    throttle: Throttle,
    /// Asks everybody for a cookie: its limit is zero. It does not mind how often an address brings one.
    cookies: RateLimiter,
    /// Asks nobody, and so looks at first MACs only. The implementation of tunnels, which looks once more, has it too.
    open: Arc<RateLimiter>,
}

impl BoringNoise {
    /// The server with a private key. Above the limit of handshakes a second, cookies are sent, and no address gets more
    /// than its share.
    pub(super) fn new(private_key: &PrivateKey, max_handshakes_per_second: u32) -> Self {
        let private = private_key.secret();
        let public = PublicKey::from(&private);
        let throttle = Throttle::new(max_handshakes_per_second, Instant::now());
        let cookies = RateLimiter::new(&public, 0);
        let open = Arc::new(RateLimiter::new(&public, u64::MAX));
        Self { private, public, throttle, cookies, open }
    }
}

impl Noise for BoringNoise {
    type Tunnel = BoringTunnel;

    fn admit(&self, from: IpAddr, initiation: &[u8], answer: &mut [u8; COOKIE], now: Instant) -> Admission {
        let Ok(Packet::HandshakeInit(message)) = self.open.verify_packet(Some(from), initiation, &mut []) else {
            return Admission::Refused;
        };
        if self.throttle.is_above_limit() {
            match self.cookies.verify_packet(Some(from), initiation, answer) {
                Ok(_) if self.throttle.allows(from, now) => {}
                Ok(_) => return Admission::Throttled,
                Err(TunnResult::WriteToNetwork(_)) => return Admission::Cookie,
                Err(_) => return Admission::Refused,
            }
        }
        match parse_handshake_anon(&self.private, &self.public, &message) {
            Ok(half) => Admission::Key(WireguardKey::new(half.peer_static_public)),
            Err(_) => Admission::Refused,
        }
    }

    fn tunnel(&self, key: &WireguardKey, index: u32) -> BoringTunnel {
        let peer = PublicKey::from(*key.as_bytes());
        let noise = Tunn::new(self.private.clone(), peer, None, None, index, Some(Arc::clone(&self.open)));
        BoringTunnel { noise, alive: Instant::now() }
    }

    fn next_second(&self, now: Instant) {
        self.throttle.next_second(now);
    }
}

/// The protocol with one node by `boringtun`.
pub(super) struct BoringTunnel {
    noise: Tunn,
    /// When a session was last made, or one was last asked for.
    alive: Instant,
}

impl TunnelNoise for BoringTunnel {
    fn receive<'a>(&mut self, from: IpAddr, datagram: &[u8], out: &'a mut [u8]) -> Received<'a> {
        let Some(kind) = Kind::of(datagram) else { return Received::Refused };
        if counter(datagram) >= REJECT_AFTER_MESSAGES {
            return Received::Refused;
        }
        match self.noise.decapsulate(Some(from), datagram, out) {
            TunnResult::WriteToNetwork(answer) => {
                self.alive = Instant::now();
                match kind {
                    Kind::Initiation => Received::Started(answer),
                    Kind::Of { .. } => Received::Completed(answer),
                }
            }
            TunnResult::WriteToTunnelV4(packet, _) | TunnResult::WriteToTunnelV6(packet, _) => Received::Packet(packet),
            TunnResult::Done if matches!(kind, Kind::Of { data: true, .. }) => Received::Keepalive,
            TunnResult::Done => Received::Cookie,
            TunnResult::Err(
                WireGuardError::DuplicateCounter
                | WireGuardError::InvalidCounter
                | WireGuardError::WrongTai64nTimestamp,
            ) => Received::Replay,
            TunnResult::Err(_) => Received::Refused,
        }
    }

    fn seal<'a>(&mut self, packet: &[u8], out: &'a mut [u8]) -> Option<&'a [u8]> {
        // The implementation would keep up to 256 packets for when there is a session. TCP repeats them anyway, and a
        // node that is gone would hold the memory.
        let result = if self.noise.time_since_last_handshake().is_some() {
            self.noise.encapsulate(packet, out)
        } else {
            self.alive = Instant::now();
            self.noise.format_handshake_initiation(out, false)
        };
        match result {
            TunnResult::WriteToNetwork(message) => Some(message),
            _ => None,
        }
    }

    fn tick<'a>(&mut self, now: Instant, out: &'a mut [u8]) -> Due<'a> {
        match self.noise.update_timers(out) {
            TunnResult::WriteToNetwork(message) => {
                if message.len() == INITIATION {
                    self.alive = now;
                }
                Due::Send(message)
            }
            TunnResult::Err(_) => Due::Over,
            _ if now.saturating_duration_since(self.alive) > REJECT_AFTER_TIME => Due::Over,
            _ => Due::Nothing,
        }
    }
}

/// The number of a data message in its session; 0 for others.
pub(super) fn counter(data: &[u8]) -> u64 {
    if !matches!(Kind::of(data), Some(Kind::Of { data: true, .. })) {
        return 0;
    }
    data.get(8..16).and_then(|bytes| bytes.try_into().ok()).map(u64::from_le_bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::wireguard::throttle::BURST;

    const FROM: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    /// A server, and a node's own side of a tunnel to it.
    fn pair(limit: u32) -> (BoringNoise, WireguardKey, Tunn) {
        let (server, node) = (PrivateKey::generate().unwrap(), PrivateKey::generate().unwrap());
        let theirs = PublicKey::from(*server.public().as_bytes());
        (BoringNoise::new(&server, limit), node.public(), Tunn::new(node.secret(), theirs, None, None, 7, None))
    }

    fn initiation(node: &mut Tunn) -> Vec<u8> {
        let mut out = [0; INITIATION];
        match node.format_handshake_initiation(&mut out, true) {
            TunnResult::WriteToNetwork(message) => message.to_vec(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_handshake_is_admitted_answered_and_not_answered_twice() {
        let (server, key, mut node) = pair(1000);
        let first = initiation(&mut node);
        assert_eq!(server.admit(FROM, &first, &mut [0; COOKIE], Instant::now()), Admission::Key(key));
        let mut tunnel = server.tunnel(&key, 3);
        let mut out = [0; 2048];
        let Received::Started(answer) = tunnel.receive(FROM, &first, &mut out) else { panic!("no answer") };
        assert_eq!(u32::from_le_bytes(answer[4..8].try_into().unwrap()) >> 8, 3);
        let mut theirs = [0; 2048];
        let TunnResult::WriteToNetwork(keepalive) = node.decapsulate(None, answer, &mut theirs) else { panic!() };
        assert_eq!(tunnel.receive(FROM, keepalive, &mut [0; 2048]), Received::Keepalive);
        assert_eq!(tunnel.receive(FROM, keepalive, &mut [0; 2048]), Received::Replay);
        assert_eq!(tunnel.receive(FROM, &first, &mut [0; 2048]), Received::Replay);
    }

    #[test]
    fn a_handshake_for_another_server_is_refused_by_its_first_mac() {
        let (_, _, mut node) = pair(1000);
        let (server, ..) = pair(0);
        assert_eq!(server.admit(FROM, &initiation(&mut node), &mut [0; COOKIE], Instant::now()), Admission::Refused);
    }

    #[test]
    fn above_the_limit_a_cookie_is_sent_and_its_holder_gets_in() {
        let (server, key, mut node) = pair(0);
        let mut cookie = [0; COOKIE];
        assert_eq!(server.admit(FROM, &initiation(&mut node), &mut cookie, Instant::now()), Admission::Cookie);
        assert!(matches!(node.decapsulate(None, &cookie, &mut [0; 2048]), TunnResult::Done));
        let second = initiation(&mut node);
        assert_eq!(server.admit(FROM, &second, &mut cookie, Instant::now()), Admission::Key(key));
        let elsewhere = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
        assert_eq!(server.admit(elsewhere, &second, &mut cookie, Instant::now()), Admission::Cookie);
    }

    /// A message of a node that honours the cookie which it got for the one before.
    fn with_cookie(server: &BoringNoise, from: IpAddr, node: &mut Tunn) -> Vec<u8> {
        let mut cookie = [0; COOKIE];
        assert_eq!(server.admit(from, &initiation(node), &mut cookie, Instant::now()), Admission::Cookie);
        assert!(matches!(node.decapsulate(None, &cookie, &mut [0; 2048]), TunnResult::Done));
        initiation(node)
    }

    #[test]
    fn a_flood_from_one_address_that_honours_its_cookie_gets_its_share_and_others_get_in() {
        let (server, key, mut node) = pair(0);
        let theirs = PublicKey::from(&server.private);
        let mut stranger = Tunn::new(PrivateKey::generate().unwrap().secret(), theirs, None, None, 8, None);
        let elsewhere: Vec<_> = (1..=8).map(|last| IpAddr::from([192, 0, 2, last])).collect();
        let flood = with_cookie(&server, FROM, &mut stranger);
        let now = Instant::now();
        let admit = |from, message: &[u8], now| server.admit(from, message, &mut [0; COOKIE], now);
        for _ in 0..BURST {
            assert!(matches!(admit(FROM, &flood, now), Admission::Key(_)));
        }
        assert_eq!(admit(FROM, &flood, now), Admission::Throttled);
        // One of them may share the place of the flood, but hardly all of them do.
        let mut got_in = elsewhere.iter().map(|from| {
            let message = with_cookie(&server, *from, &mut node);
            admit(*from, &message, now) == Admission::Key(key)
        });
        assert!(got_in.any(|got_in| got_in));
        assert!(matches!(admit(FROM, &flood, now + Duration::from_secs(1)), Admission::Key(_)));
    }

    #[test]
    fn below_the_limit_one_address_may_have_all() {
        let (server, key, mut node) = pair(2 * BURST);
        let (message, now) = (initiation(&mut node), Instant::now());
        for _ in 0..2 * BURST {
            assert_eq!(server.admit(FROM, &message, &mut [0; COOKIE], now), Admission::Key(key));
        }
        assert_eq!(server.admit(FROM, &message, &mut [0; COOKIE], now), Admission::Cookie);
        server.next_second(now + Duration::from_secs(2));
        assert_eq!(server.admit(FROM, &message, &mut [0; COOKIE], now), Admission::Key(key));
    }

    #[test]
    fn a_counter_that_would_overflow_is_refused_though_the_node_sealed_the_packet() {
        let (server, key, mut node) = pair(1000);
        let first = initiation(&mut node);
        let mut tunnel = server.tunnel(&key, 3);
        let mut out = [0; 2048];
        let Received::Started(answer) = tunnel.receive(FROM, &first, &mut out) else { panic!("no answer") };
        let mut data = vec![0; 64];
        data[0] = 4;
        data[4..8].copy_from_slice(&answer[4..8]);
        data[8..16].copy_from_slice(&u64::MAX.to_le_bytes());
        assert_eq!(tunnel.receive(FROM, &data, &mut [0; 2048]), Received::Refused);
    }

    #[test]
    fn without_a_session_a_packet_starts_a_handshake_and_does_not_wait() {
        let (server, key, _) = pair(1000);
        let mut tunnel = server.tunnel(&key, 3);
        let mut out = [0; 2048];
        assert_eq!(tunnel.seal(&[0x45; 40], &mut out).map(<[u8]>::len), Some(INITIATION));
        assert_eq!(tunnel.seal(&[0x45; 40], &mut out), None);
    }

    #[test]
    fn a_tunnel_is_over_when_its_last_session_may_not_be_used_any_more() {
        let (server, key, mut node) = pair(1000);
        let mut tunnel = server.tunnel(&key, 3);
        assert!(matches!(tunnel.receive(FROM, &initiation(&mut node), &mut [0; 2048]), Received::Started(_)));
        let now = Instant::now();
        let mut after = |seconds| tunnel.tick(now + Duration::from_secs(seconds), &mut [0; 2048]) == Due::Over;
        assert_eq!((after(0), after(179), after(181)), (false, false, true));
    }
}
