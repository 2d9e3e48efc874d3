//! Every way in which a header could make a node pass for another one, outside a tunnel and through its own.

use serde_json::json;

use super::{
    FakeTunnels, TrustedProxies, get_request, key_text, post, post_request, post_with, serving, settings,
    through_tunnel,
};
use crate::serve_support::Running;
use mds::serve::Settings;

/// Asks with a header from 127.0.0.5, which is `five` and no proxy.
fn spoof_outside(header: &str) {
    for proxies in [vec![], vec!["127.0.0.1/32".parse().unwrap()]] {
        let tunnels = FakeTunnels::new(true);
        let trusted_proxies = TrustedProxies::new(proxies);
        let running = Running::with(Settings { trusted_proxies, ..settings(&tunnels) });
        let body = json!({"public_key": key_text(7)}).to_string();
        assert_eq!(post_with(&running, "127.0.0.5", "/wg-init", &[header], body.as_bytes()).status, 202, "{header}");
        assert_eq!(post_with(&running, "127.0.0.66", "/wg-init", &[header], body.as_bytes()).status, 404, "{header}");
        assert_eq!(post_with(&running, "127.0.0.5", "/phone-home/victim", &[header], b"").status, 403, "{header}");
        assert_eq!(post_with(&running, "127.0.0.66", "/phone-home/victim", &[header], b"").status, 404, "{header}");
        // Nor does it open what is for tunnels only, or for administrators.
        assert_eq!(running.get_from("127.0.0.5", "/meta-data", &[header]).status, 403, "{header}");
        assert_eq!(running.get_from("127.0.0.5", "/wireguardpeers", &[header]).status, 403, "{header}");
        assert!(tunnels.seen.lock().unwrap().iter().all(|(node, ..)| node == "five"), "{header}");
        assert!(tunnels.ended.lock().unwrap().is_empty(), "{header}");
    }
}

#[test]
fn x_forwarded_for_from_a_node_does_not_make_it_another() {
    for value in ["10.0.0.1", "127.0.0.1", "127.0.0.9", "100.97.0.9", "100.97.0.1"] {
        spoof_outside(&format!("X-Forwarded-For: {value}"));
    }
}

#[test]
fn forwarded_from_a_node_does_not_make_it_another() {
    spoof_outside("Forwarded: for=10.0.0.1");
    spoof_outside("Forwarded: for=\"127.0.0.9\"");
}

#[test]
fn x_real_ip_from_a_node_does_not_make_it_another() {
    spoof_outside("X-Real-IP: 10.0.0.1");
    spoof_outside("X-Real-IP: 127.0.0.9");
    spoof_outside("True-Client-IP: 10.0.0.1");
}

#[test]
fn a_listed_proxy_speaks_for_a_node_and_its_word_is_compared_with_the_node_field() {
    let tunnels = FakeTunnels::new(false);
    let running = Running::with(Settings { trusted_proxies: TrustedProxies::default(), ..settings(&tunnels) });
    let victim = ["X-Forwarded-For: 10.9.9.9, 10.0.0.1"];
    let body = json!({"public_key": key_text(7)}).to_string();
    assert_eq!(post_with(&running, "127.0.0.1", "/wg-init", &victim, body.as_bytes()).status, 202);
    let lie = json!({"pubkey": key_text(7), "node": "local"}).to_string();
    assert_eq!(post_with(&running, "127.0.0.1", "/v1/register", &victim, lie.as_bytes()).status, 403);
    let nodes: Vec<String> = tunnels.seen.lock().unwrap().iter().map(|(node, ..)| node.clone()).collect();
    assert_eq!(nodes, ["victim"]);
}

/// Asks through the tunnel of `five` with a header that names another node, in a server that trusts every proxy.
fn spoof_through_tunnel(header: &str) {
    let tunnels = FakeTunnels::new(true);
    let header = format!("{header}\r\n");
    let body = json!({"public_key": key_text(1)}).to_string();
    let with_header = |request: String| request.replacen("\r\n", &format!("\r\n{header}"), 1);
    let answers = through_tunnel(
        &tunnels,
        &[
            get_request("/meta-data", &header),
            get_request("/wireguardpeers", &header),
            with_header(post_request("/wg-init", &body)),
            with_header(post_request("/phone-home/local", "")),
            with_header(post_request("/phone-home/victim", "")),
        ],
    );
    let statuses: Vec<u16> = answers.iter().map(|(status, _)| *status).collect();
    assert_eq!(statuses, [200, 403, 202, 403, 403], "{header}");
    assert_eq!(answers[0].1, "meta of five\n", "{header}");
    assert_eq!(tunnels.seen.lock().unwrap()[0].0, "five", "{header}");
    assert!(tunnels.ended.lock().unwrap().is_empty(), "{header}");
}

#[test]
fn x_forwarded_for_through_a_tunnel_is_not_looked_at() {
    for value in ["10.0.0.1", "127.0.0.9", "100.97.0.1", "junk", ""] {
        spoof_through_tunnel(&format!("X-Forwarded-For: {value}"));
    }
}

#[test]
fn forwarded_through_a_tunnel_is_not_looked_at() {
    spoof_through_tunnel("Forwarded: for=10.0.0.1");
}

#[test]
fn x_real_ip_through_a_tunnel_is_not_looked_at() {
    spoof_through_tunnel("X-Real-IP: 10.0.0.1");
    spoof_through_tunnel("True-Client-IP: 127.0.0.9");
}

#[test]
fn the_key_of_another_node_is_refused_without_saying_whose_it_is() {
    let tunnels = FakeTunnels::new(false);
    let running = serving(&tunnels);
    *tunnels.refusal.lock().unwrap() = Some(mds::serve::RegisterRefusal::KeyOfAnother);
    let body = json!({"public_key": key_text(1)}).to_string();
    let answer = post(&running, "127.0.0.1", "/wg-init", body);
    assert_eq!((answer.status, answer.text().contains("five")), (403, false), "{}", answer.text());
}
