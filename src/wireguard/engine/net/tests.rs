use smoltcp::socket::tcp::RecvError;

use super::*;

const SERVER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(100, 97, 0, 1));
const NODE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(100, 97, 0, 7));

/// A stack of the server and one of a node, with a clock of their own.
struct Pair {
    net: Net,
    node: Interface,
    sockets: SocketSet<'static>,
    handle: SocketHandle,
    now: Instant,
    /// Whether the node hears and is heard.
    linked: bool,
    opened: Vec<SocketHandle>,
    /// Packets that the server sent.
    sent: usize,
}

impl Pair {
    /// A node that has begun to open a connection.
    fn new() -> Self {
        let now = Instant::ZERO;
        let net = Net::new(SERVER, now, &Arc::default());
        let mut device = Device { inbound: None, outbox: &mut Outbox::default() };
        let mut node = Interface::new(Config::new(HardwareAddress::Ip), &mut device, now);
        node.update_ip_addrs(|addresses| addresses.push(IpCidr::new(NODE.into(), 16)).unwrap());
        let buffer = || SocketBuffer::new(vec![0; 16 * 1024]);
        let mut socket = Socket::new(buffer(), buffer());
        socket.connect(node.context(), (IpAddress::from(SERVER), 80), 40_000).unwrap();
        let mut sockets = SocketSet::new(Vec::new());
        let handle = sockets.add(socket);
        Self { net, node, sockets, handle, now, linked: true, opened: Vec::new(), sent: 0 }
    }

    /// A connection that is open.
    fn open() -> (Self, SocketHandle) {
        let mut pair = Self::new();
        pair.exchange();
        let [handle] = pair.opened[..] else { panic!("{} connections", pair.opened.len()) };
        (pair, handle)
    }

    fn node(&mut self) -> &mut Socket<'static> {
        self.sockets.get_mut(self.handle)
    }

    /// Carries packets until there are none.
    fn exchange(&mut self) {
        loop {
            let (mut ours, mut theirs) = (Outbox::default(), Outbox::default());
            let mut device = Device { inbound: None, outbox: &mut theirs };
            self.node.poll(self.now, &mut device, &mut self.sockets);
            for packet in theirs.packets().filter(|_| self.linked) {
                if !self.net.has(40_000, 80) && packet[33] == 0b10 {
                    self.net.listen(40_000, 80, self.now);
                }
                self.net.receive(packet, Some((40_000, 80)), self.now, &mut ours);
            }
            self.net.send(self.now, &mut ours);
            self.opened.extend(self.net.settle(self.now));
            for packet in ours.packets() {
                self.sent += 1;
                if self.linked {
                    let mut device = Device { inbound: Some(packet), outbox: &mut theirs };
                    self.node.poll_ingress_single(self.now, &mut device, &mut self.sockets);
                }
            }
            if ours.packets().next().is_none() && theirs.packets().next().is_none() {
                return;
            }
        }
    }

    /// Lets time pass in the world; the stacks have their turns when they ask for them.
    fn wait(&mut self, time: Duration) {
        let end = self.now + (stack_time(time) - Instant::ZERO);
        while self.now < end {
            let node = self.node.poll_at(self.now, &self.sockets);
            let next = self.net.due(self.now).into_iter().chain(node).min().unwrap_or(end);
            self.now = next.clamp(self.now + smoltcp::time::Duration::from_millis(1), end);
            self.exchange();
        }
    }
}

#[test]
fn a_connection_that_is_never_opened_is_dropped() {
    let mut pair = Pair::new();
    let mut syn = Outbox::default();
    pair.node.poll(pair.now, &mut Device { inbound: None, outbox: &mut syn }, &mut pair.sockets);
    pair.net.listen(40_000, 80, pair.now);
    pair.net.receive(syn.packets().next().unwrap(), Some((40_000, 80)), pair.now, &mut Outbox::default());
    pair.linked = false;
    pair.wait(OPENING - Duration::from_secs(1));
    assert!(!pair.net.is_idle() && pair.sent > 1, "the answer is sent more than once");
    pair.wait(Duration::from_secs(2));
    assert!(pair.net.is_idle() && pair.opened.is_empty());
}

#[test]
fn a_connection_on_which_nothing_happens_stays() {
    let (mut pair, handle) = Pair::open();
    pair.wait(Duration::from_secs(7200));
    assert_eq!(pair.net.socket(handle).unwrap().state(), State::Established);
}

#[test]
fn a_handler_may_take_its_time_before_it_answers() {
    let (mut pair, handle) = Pair::open();
    pair.wait(SILENCE * 2);
    pair.net.socket(handle).unwrap().send_slice(b"at last").unwrap();
    pair.exchange();
    pair.net.leave(handle);
    pair.exchange();
    assert_eq!(pair.node().recv(|bytes| (bytes.len(), bytes.to_vec())), Ok(b"at last".to_vec()));
}

#[test]
fn a_node_that_is_silent_while_it_is_sent_something_is_given_up() {
    let (mut pair, handle) = Pair::open();
    pair.linked = false;
    pair.net.socket(handle).unwrap().send_slice(b"hello").unwrap();
    pair.exchange();
    pair.wait(SILENCE - Duration::from_secs(1));
    assert!(pair.net.socket(handle).unwrap().may_send());
    pair.wait(Duration::from_secs(2));
    let socket = pair.net.socket(handle).unwrap();
    assert_eq!(socket.recv_slice(&mut [0; 8]), Err(RecvError::InvalidState));
    pair.net.leave(handle);
    pair.exchange();
    assert!(pair.net.is_idle());
}

#[test]
fn what_was_written_is_delivered_after_the_handler_has_left_and_what_it_did_not_read_does_not_matter() {
    let (mut pair, handle) = Pair::open();
    let text = vec![b'x'; 12_000];
    pair.node().send_slice(&text).unwrap();
    pair.net.socket(handle).unwrap().send_slice(&text).unwrap();
    pair.net.leave(handle);
    pair.exchange();
    pair.wait(Duration::from_secs(1));
    assert_eq!((pair.node().recv_queue(), pair.node().send_queue()), (text.len(), 0));
    pair.node().close();
    pair.wait(Duration::from_secs(1));
    assert!(pair.net.is_idle());
    assert_eq!(pair.node().state(), State::Closed, "the node's FIN is acknowledged, and not with a reset");
    assert_eq!(pair.node().recv_queue(), text.len());
}

#[test]
fn a_node_that_never_closes_is_not_waited_for_for_ever() {
    let (mut pair, handle) = Pair::open();
    pair.net.leave(handle);
    pair.wait(SILENCE - Duration::from_secs(1));
    assert!(!pair.net.is_idle());
    pair.wait(Duration::from_secs(2));
    assert!(pair.net.is_idle());
}

#[test]
fn a_node_may_close_first_and_nothing_is_left() {
    let (mut pair, handle) = Pair::open();
    pair.node().close();
    pair.exchange();
    let socket = pair.net.socket(handle).unwrap();
    assert_eq!(socket.recv_slice(&mut [0; 8]), Err(RecvError::Finished));
    socket.send_slice(b"bye").unwrap();
    pair.net.leave(handle);
    pair.wait(Duration::from_secs(1));
    assert!(pair.net.is_idle());
    assert_eq!((pair.node().state(), pair.node().recv_queue()), (State::TimeWait, 3));
}

#[test]
fn a_stream_of_a_tunnel_that_is_gone_has_no_socket() {
    let (mut pair, handle) = Pair::open();
    pair.net.cut();
    assert!(pair.net.socket(handle).is_none());
    pair.net.leave(handle);
    assert!(pair.net.is_idle());
}
