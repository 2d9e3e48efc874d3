//! An export is served by nginx with one line of settings, and every node gets from it what `mds serve` gives.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod cli_support;
mod git_support;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use cli_support::{COMPUTE, SETTINGS, Sandbox};
use git_support::skip;
use mds::release::Tree;
use mds::types::NodeId;
use socket2::{Domain, Socket, Type};

/// Two nodes that are this machine under other addresses.
const NODES: [(&str, Ipv4Addr); 2] =
    [("x1000c0s0b0n0", Ipv4Addr::new(127, 0, 0, 11)), ("x1000c0s0b0n1", Ipv4Addr::new(127, 0, 0, 12))];
/// This machine under an address that no node has.
const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 99);
const PATIENCE: Duration = Duration::from_secs(10);

/// A sandbox with a site of two nodes; only the first has user-data of its own, and each has a group without template.
fn sandbox() -> Sandbox {
    let sandbox = Sandbox::empty();
    let settings = SETTINGS.replace("10.252.0.0/17", "127.0.0.0/8").replace("gateway = \"10.252.0.1\"\n", "");
    sandbox.write("site/mds.toml", &settings);
    sandbox.write(
        "site/inventory.json",
        "{\"format\":1,\"nodes\":[
          {\"id\":\"x1000c0s0b0n0\",\"nid\":1,\"groups\":[\"compute\",\"green\",\"bare\"],\"interfaces\":[
            {\"mac\":\"b4:2e:99:be:1a:01\",\"addresses\":[{\"ip\":\"127.0.0.11\",\"network\":\"HMN\"}]}]},
          {\"id\":\"x1000c0s0b0n1\",\"nid\":2,\"groups\":[\"compute\",\"blue@a+b=c~d,e\"],\"interfaces\":[
            {\"mac\":\"b4:2e:99:be:1a:02\",\"addresses\":[{\"ip\":\"127.0.0.12\",\"network\":\"HMN\"}]}]}]}",
    );
    sandbox.write("site/groups/compute/group.yaml", "meta: {scheduler: slurm}\n");
    sandbox.write("site/groups/compute/cloud-config.yaml", COMPUTE);
    sandbox.write("site/groups/green/cloud-config.yaml", "#cloud-config\nfinal_message: grün\n");
    sandbox.write("site/groups/bare/group.yaml", "description: without a template\n");
    sandbox.write("site/user-data/x1000c0s0b0n0", "#cloud-config\nfinal_message: my own\n");
    sandbox
}

/// What a web server answers to one who asks from the address.
fn get(server: SocketAddr, from: Ipv4Addr, path: &str) -> std::io::Result<(u16, Vec<u8>)> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((from, 0)).into())?;
    socket.connect_timeout(&server.into(), PATIENCE)?;
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let split = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").ok_or(std::io::ErrorKind::UnexpectedEof)?;
    let status = String::from_utf8_lossy(&answer[..split]).split(' ').nth(1).and_then(|code| code.parse().ok());
    Ok((status.ok_or(std::io::ErrorKind::InvalidData)?, answer[split + 4..].to_vec()))
}

/// A running nginx; it is ended when it is dropped.
struct Nginx {
    child: Child,
    address: SocketAddr,
}

impl Nginx {
    /// Starts nginx for the folder of an export.
    fn start(program: &Path, prefix: &Path, export: &Path) -> Self {
        // Somebody else may take the port between our letting it go and nginx's taking it.
        for _ in 0..5 {
            if let Some(nginx) = Self::try_start(program, prefix, export) {
                return nginx;
            }
        }
        panic!("nginx does not start: {}", fs::read_to_string(prefix.join("error.log")).unwrap_or_default());
    }

    fn try_start(program: &Path, prefix: &Path, export: &Path) -> Option<Self> {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        fs::create_dir_all(prefix).unwrap();
        // The workers of a master that is root would else be another user, who may not look into our folders.
        let user = if git_support::is_root() { "user root root;" } else { "" };
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {name};"))
            .join("\n  ");
        let settings = format!(
            "daemon off;\n{user}\npid nginx.pid;\nerror_log error.log;\nworker_processes 1;\nevents {{}}\nhttp {{\n  \
             access_log off;\n  {temporary}\n  server {{\n    listen {address};\n    \
             root {}/by-address/$remote_addr;\n  }}\n}}\n",
            export.display()
        );
        fs::write(prefix.join("nginx.conf"), settings).unwrap();
        let mut command = Command::new(program);
        command.arg("-p").arg(prefix).arg("-e").arg(prefix.join("error.log")).args(["-c", "nginx.conf"]);
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut nginx = Self { child, address };
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE && nginx.child.try_wait().unwrap().is_none() {
            if get(address, STRANGER, "/").is_ok() {
                return Some(nginx);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The master ends its workers, which a killed one would not.
        let _ =
            rustix::process::kill_process(rustix::process::Pid::from_child(&self.child), rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}

fn nginx() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders.map(|folder| folder.join("nginx")).find(|program| program.is_file())
}

#[test]
fn nginx_gives_every_node_what_mds_gives() {
    let Some(program) = nginx() else { return skip("there is no nginx; the package nginx-light has it") };
    let sandbox = sandbox();
    let build = ["build", "--site", "site", "--tree", "tree"];
    sandbox.stdout(&build);
    sandbox.stdout(&["export", "--tree", "tree", "export"]);
    let server = sandbox.serve(&["--tree", "tree"]);
    let nginx = Nginx::start(&program, &sandbox.path("nginx"), &sandbox.path("export"));
    let both =
        |from: Ipv4Addr, path: &str| [server.address, nginx.address].map(|address| get(address, from, path).unwrap());
    let assert_same = |when: &str| {
        let tree = Tree::open(sandbox.path("tree")).unwrap();
        let manifest = tree.manifest(tree.current().unwrap().unwrap()).unwrap();
        let mut documents = 0;
        for (id, address) in NODES {
            let node = manifest.node(&NodeId::parse(id).unwrap()).unwrap();
            let fixed = ["meta-data", "user-data", "vendor-data", "network-config"].map(str::to_owned);
            let groups = node.groups.iter().map(|label| format!("{label}.yaml"));
            for name in fixed.into_iter().chain(groups) {
                let [ours, theirs] = both(address, &format!("/{name}"));
                assert_eq!(ours, theirs, "{when}: {name} of {id}");
                assert_eq!(ours.0, 200, "{when}: {name} of {id}");
                let is_empty = ours.1.is_empty();
                assert_eq!(is_empty, name.starts_with("b"), "{when}: {name} of {id} is empty: {is_empty}");
                documents += 1;
            }
        }
        assert_eq!(documents, 13);
        // What is refused is refused by both, in their own words.
        for (from, path) in [
            (NODES[0].1, "/blue@a+b=c~d,e.yaml"),
            (NODES[1].1, "/green.yaml"),
            (NODES[1].1, "/../127.0.0.11/meta-data"),
            (NODES[1].1, "/nothing"),
            (STRANGER, "/meta-data"),
            (STRANGER, "/compute.yaml"),
        ] {
            let [ours, theirs] = both(from, path).map(|(status, _)| status / 100);
            assert_eq!((ours, theirs), (4, 4), "{when}: {path} for {from}");
        }
        let text = both(NODES[0].1, "/meta-data").map(|(_, bytes)| String::from_utf8(bytes).unwrap());
        assert!(text[0].contains("local-hostname: tc0001"), "{}", text[0]);
    };
    assert_same("the first release");

    // A new export takes the place of the old one under the running nginx.
    let before = both(NODES[0].1, "/compute.yaml");
    sandbox.write("site/groups/compute/cloud-config.yaml", &COMPUTE.replace("{{ role }}", "second"));
    sandbox.stdout(&build);
    sandbox.stdout(&["export", "--tree", "tree", "export"]);
    server.wait(PATIENCE, |server| get(server.address, NODES[0].1, "/compute.yaml").unwrap() != before[0]);
    assert_same("the second release");
    assert_ne!(both(NODES[0].1, "/compute.yaml"), before);
}
