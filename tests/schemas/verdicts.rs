//! That a schema and the parser come to the same verdict about a document.
//!
//! What no schema can say is left out: that a named file is there, that a gateway lies in its network, that interfaces of a node have names of
//! their own, that labels of networks differ by more than case. The schemas are stricter in two things that are no use: `true` for a text in YAML, and unknown keys in a
//! manifest. They are laxer in one: they cannot tell `meta: null`, which mds refuses, from `meta:`, which it takes.

use super::kind::{Kind, errors};

/// Texts that both accept.
fn right() -> Vec<(Kind, &'static str)> {
    let settings = [
        "",
        "[cluster]\nname = \"demo\"\nshort_name = \"\"\nnid_length = 10\ncloud_provider = \"c\"\nregion = \"r\"\navailability_zone = \"z\"\n",
        "[cluster]\nnid_length = 0\n",
        "[cluster]\nbase_url = \"https://[fd00::1]:8443/metadata-service/\"\npublic_keys = [\"ssh-ed25519 AAAA x\"]\n",
        "[cluster]\nbase_url = \"HTTP://head\"\n",
        "[inventory]\nfile = \"machines/all.json\"\nboot_network = \"\"\nallow_duplicate = [\"address\", \"mac\", \"hostname\", \"nid\"]\n",
        "[networks.HMN]\nprefixes = [\"10.252.0.0/17\", \"fd00::/64\"]\ngateway = \"10.252.0.1\"\ngateway6 = \"fe80::1\"\ndns = [\"10.252.0.1\", \"fd00::1\"]\nsearch = [\"a.b\"]\nmtu = 576\nvlan = 4094\nmethod = \"dhcp\"\n",
        "[networks.\"any label\"]\nmtu = 65535\nvlan = 1\nmethod = \"none\"\n",
        "[[networks.HMN.routes]]\nto = \"0.0.0.0/0\"\nvia = \"10.0.0.1\"\nmetric = 4294967295\n[[networks.HMN.routes]]\nto = \"::/0\"\nvia = \"fe80::1\"\n",
        "[network_config]\nversion = 1\n",
        "[groups]\norder = [\"rack:4\", \"a+b\"]\n",
        "[vendor_data]\ndelivery = \"inline\"\n",
        "[render]\nmax_document_bytes = 1\nmax_seconds = 1\n",
        "[check]\nseverity = { not-an-xname = \"off\" }\n",
        "[[check.waivers]]\nrule = \"x\"\nreason = \"y\"\nuntil = 2026-12-31\n[[check.waivers]]\nrule = \"x\"\nfile = \"groups/**/*.{yaml,sh}\"\nnodes = [\"x1*\"]\ngroups = [\"a\"]\nreason = \"y\"\nuntil = \"2026-12-31\"\n",
        "[serve]\nlisten = [\"0.0.0.0:0\", \"[::1]:8080\"]\ntrusted_proxies = [\"::1/128\", \"10.0.0.0/8\"]\nprefixes = [\"/a/b.c/\", \"a\", \"/\", \"\"]\npoll = 1\n",
        "[serve]\ntrusted_proxies = []\nprefixes = []\n",
        "[wireguard]\nserver = \"100.97.0.1/16\"\nlisten = \"[::]:51820\"\nendpoint = \"head.example:51820\"\nonly = true\narm = \"window\"\nidle = 1\nmax_age = 1\nmax_asks_per_minute = 1\nmax_handshakes_per_second = 1\nadmins = [\"10.0.0.0/8\"]\n",
        "[wireguard]\nserver = \"fd00::1/64\"\nendpoint = \"[fd00::1]:1\"\narm = \"once\"\nadmins = []\n",
        "[wireguard]\nserver = \"10.0.0.1/8\"\n",
        "[wireguard]\nserver = \"10.0.0.0/31\"\n",
        "[wireguard]\nserver = \"fd00::/127\"\n",
        "[documents.user-data]\nrequire = \"wireguard\"\n[documents.meta-data]\n",
    ];
    let groups = [
        "",
        "# nothing\n",
        "{}\n",
        "description: x\nmeta: {a: [1, null, {b: 0.5}], 'any key': true}\nrender: server\n",
        "render: client\n",
        "render: auto\n",
        "require: wireguard\n",
        // What is left when all lines below a key are commented out.
        "description:\nmeta:\n",
        "description: 1\n",
    ];
    let nodes = [
        "",
        "description: x\ninstance_id: i-1\nhostname: a.b\nlocal_hostname: c\ncloud_init_base_url: http://h:1/x\npublic_keys: [a b]\nmeta: {a: 1}\n",
        "instance_id: null\nhostname: ~\ncloud_init_base_url:\n",
        "description:\npublic_keys:\nmeta:\n",
        "instance_id: 7\nhostname: 8\nlocal_hostname: 9\n",
    ];
    let inventories = [
        r#"{"format":1,"nodes":[]}"#,
        r#"{"$schema":"x","format":1,"nodes":[{"id":"x1000c0s0b0n0"}]}"#,
        r#"{"format":1,"nodes":[{"id":"7","nid":4294967295,"role":"r","sub_role":"s","groups":["a","a"],"interfaces":[]}]}"#,
        r#"{"format":1,"nodes":[{"id":"a:b.c_d-e","nid":null,"interfaces":[{"name":"eth0","mac":"B4-2E-99-BE-1A-6D","description":"d","enabled":false,"redfish_id":"1","addresses":[{"ip":"10.0.0.1","network":"HMN"},{"ip":"::ffff:10.0.0.1"}]}]}]}"#,
        r#"{"format":1,"nodes":[{"id":"n","interfaces":[{"mac":"b42e99be1a6d"}]}]}"#,
        r#"{"format":1,"nodes":[{"id":"n","interfaces":[{"name":"","mac":"02:00:00:00:00:01"},{"name":"fifteen-letters","mac":"02:00:00:00:00:02"}]}]}"#,
        r#"{"format":1,"nodes":[{"id":"n","interfaces":[{"mac":"020000000001","addresses":[{"ip":"127.0.0.1"},{"ip":"::1"},{"ip":"ff::1"},{"ip":"223.255.255.255"},{"ip":"240.0.0.1"},{"ip":"0.0.0.1"}]}]}]}"#,
    ];
    let lines = [
        r#"{"format":1,"nodes":0,"documents":0}"#,
        r#"{"format":2,"nodes":0,"documents":0,"tunnel_network":"100.97.0.1/16","tunnel_only":["user-data","a.yaml"]}"#,
        r#"{"id":"n","hostname":"h","instance_id":"i","macs":[],"addresses":[],"tunnel_address":"fd00::7","groups":[],"documents":{}}"#,
        r#"{"id":"n","hostname":"h","nid":7,"instance_id":"i","macs":["b4:2e:99:be:1a:6d"],"addresses":["10.0.0.1","fd00::1"],"groups":["g"],"documents":{}}"#,
        r#"{"id":"n","hostname":"h","instance_id":"i","macs":[],"addresses":[],"groups":[],"documents":{"meta-data":"af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262","a:b.yaml":"af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"}}"#,
    ];
    let rules = [
        "document: cloud-config\nmessage: m\nschema: {}\n",
        "document: a+b.yaml\nmessage: m\nschema: true\ngroups: ['rack:4']\nnodes: ['x*', y]\nseverity: note\nhint: h\ndescription: d\n",
        "document: network-config\nmessage: m\nschema: {$ref: '#/$defs/x', $defs: {x: {type: object}}}\ngroups: []\nnodes: []\nhint: ''\n",
    ];
    of_all_kinds([&settings, &groups, &nodes, &inventories, &lines, &rules])
}

/// Texts that both refuse.
fn wrong() -> Vec<(Kind, &'static str)> {
    let settings = [
        "name = \"demo\"\n",
        "[clutser]\n",
        "[cluster]\nshortname = \"tc\"\n",
        "[cluster]\nname = 1\n",
        "[cluster]\nnid_length = 11\n",
        "[cluster]\nnid_length = -1\n",
        "[cluster]\nbase_url = \"\"\n",
        "[cluster]\nbase_url = \"/relative\"\n",
        "[cluster]\nbase_url = \"ftp://head\"\n",
        "[cluster]\nbase_url = \"http:head\"\n",
        "[cluster]\nbase_url = \"http:///head\"\n",
        "[cluster]\nbase_url = \"http://head/?a=b\"\n",
        "[cluster]\nbase_url = \"http://head/#a\"\n",
        "[cluster]\nbase_url = \"http://head/a b\"\n",
        "[cluster]\npublic_keys = \"ssh-ed25519 AAAA\"\n",
        "[cluster]\npublic_keys = [\" \"]\n",
        "[cluster]\npublic_keys = [\"a\\nb\"]\n",
        "[inventory]\nfile = \"\"\n",
        "[inventory]\nfile = \"/etc/passwd\"\n",
        "[inventory]\nfile = \"../inventory.json\"\n",
        "[inventory]\nfile = \"a/../b\"\n",
        "[inventory]\nfile = \"a//b\"\n",
        "[inventory]\nfile = \"./a\"\n",
        "[inventory]\nallow_duplicate = [\"name\"]\n",
        "[inventory]\nallow_duplicates = [\"mac\"]\n",
        "[networks]\nHMN = 1\n",
        "[networks.HMN]\nprefixes = [\"10.252.0.0\"]\n",
        "[networks.HMN]\nprefixes = [\"10.252.0.0/33\"]\n",
        "[networks.HMN]\nprefixes = [\"fd00::/129\"]\n",
        "[networks.HMN]\ngateway = \"fd00::1\"\nprefixes = [\"fd00::/64\"]\n",
        "[networks.HMN]\ngateway6 = \"10.0.0.1\"\nprefixes = [\"10.0.0.0/8\"]\n",
        "[networks.HMN]\ndns = [\"head\"]\n",
        "[networks.HMN]\ndns = [\"10.0.0.256\"]\n",
        "[networks.HMN]\ndns = [\"10.0.0.01\"]\n",
        "[networks.HMN]\ndns = [\"fd00::1::2\"]\n",
        "[networks.HMN]\nmtu = 575\n",
        "[networks.HMN]\nmtu = 65536\n",
        "[networks.HMN]\nvlan = 0\n",
        "[networks.HMN]\nvlan = 4095\n",
        "[networks.HMN]\nmethod = \"Static\"\n",
        "[[networks.HMN.routes]]\nto = \"10.0.0.0/8\"\n",
        "[[networks.HMN.routes]]\nvia = \"10.0.0.1\"\n",
        "[[networks.HMN.routes]]\nto = \"10.0.0.0/8\"\nvia = \"10.0.0.1\"\nmetric = -1\n",
        "[network_config]\nversion = 3\n",
        "[network_config]\nversion = \"2\"\n",
        "[groups]\norder = [\"a b\"]\n",
        "[groups]\norder = [\"-a\"]\n",
        "[groups]\norder = [\"a\", \"a\"]\n",
        "[vendor_data]\ndelivery = \"Inline\"\n",
        "[render]\nmax_seconds = 0\n",
        "[[check.waivers]]\nrule = \"x\"\nreason = \"y\"\n",
        "[[check.waivers]]\nrule = \"x\"\nuntil = 2026-12-31\n",
        "[[check.waivers]]\nreason = \"y\"\nuntil = 2026-12-31\n",
        "[[check.waivers]]\nrule = \"x\"\nreason = \" \"\nuntil = 2026-12-31\n",
        "[[check.waivers]]\nrule = \"x\"\nreason = \"y\"\nuntil = 2026-12-31T00:00:00Z\n",
        "[[check.waivers]]\nrule = \"x\"\nreason = \"y\"\nuntil = \"2026-02-30\"\n",
        "[[check.waivers]]\nrule = \"x\"\nreason = \"y\"\nuntil = 2026-12-31\ngroups = [\"a b\"]\n",
        "[render]\nmax_document_bytes = 0\n",
        "[check]\ncloud_config_schema = \"\"\n",
        "[check]\ncloud_config_schema = \"/etc/schema.json\"\n",
        "[check]\ncloud_config_schema = \"../schema.json\"\n",
        "[check]\ncloud_config_schema = 1\n",
        "[serve]\nlisten = []\n",
        "[serve]\nlisten = [\"8080\"]\n",
        "[serve]\nlisten = [\"::1:8080\"]\n",
        "[serve]\nlisten = \"0.0.0.0:8080\"\n",
        "[serve]\ntrusted_proxies = [\"10.0.0.1\"]\n",
        "[serve]\nprefixes = [\"/a b\"]\n",
        "[serve]\nprefixes = [\"/a/../b\"]\n",
        "[serve]\nprefixes = [\"..\"]\n",
        "[serve]\npoll = 0\n",
        "[wireguard]\nserver = \"100.97.0.1\"\n",
        "[wireguard]\nserver = \"10.0.0.1/7\"\n",
        "[wireguard]\nserver = \"10.0.0.1/32\"\n",
        "[wireguard]\nserver = \"fd00::1/31\"\n",
        "[wireguard]\nserver = \"fd00::1/128\"\n",
        "[wireguard]\nserver = \"100.97.0.1/16\"\nendpoint = \"head\"\n",
        "[wireguard]\nserver = \"100.97.0.1/16\"\nendpoint = \"head:0\"\n",
        "[wireguard]\nlisten = \"51820\"\n",
        "[wireguard]\narm = \"never\"\n",
        "[wireguard]\nserver = \"100.97.0.1/16\"\nidle = 0\n",
        "[wireguard]\nserver = \"100.97.0.1/16\"\nmax_asks_per_minute = 0\n",
        "[wireguard]\nadmins = [\"10.0.0.1\"]\n",
        "[documents.userdata]\nrequire = \"wireguard\"\n",
        "[documents.\"a.yaml\"]\nrequire = \"wireguard\"\n",
        "[documents.user-data]\nrequire = \"tls\"\n",
        "[documents.user-data]\nrequire = true\n",
    ];
    let groups = [
        "[]\n",
        "compute\n",
        "descripton: x\n",
        "description: [x]\n",
        "meta: [a]\n",
        "meta: a\n",
        "render: Client\n",
        "render: mds\n",
        "render: null\n",
        "require: WireGuard\n",
        "require: [wireguard]\n",
        "template: x\n",
    ];
    let nodes = [
        "[]\n",
        "nid: 7\n",
        "instance_id: ''\n",
        "instance_id: 'a b'\n",
        "hostname: \"a\\tb\"\n",
        "local_hostname: [a]\n",
        "cloud_init_base_url: ''\n",
        "cloud_init_base_url: head:8080\n",
        "public_keys: [' ']\n",
        "public_keys: [\"a\\nb\"]\n",
        "public_keys: a\n",
        "meta: [a]\n",
    ];
    let inventories = [
        "[]",
        "{}",
        r#"{"format":1}"#,
        r#"{"nodes":[]}"#,
        r#"{"format":2,"nodes":[]}"#,
        r#"{"format":0,"nodes":[]}"#,
        r#"{"format":"1","nodes":[]}"#,
        r#"{"format":1,"nodes":{}}"#,
        r#"{"format":1,"nodes":[{}]}"#,
        r#"{"format":1,"nodes":[{"id":""}]}"#,
        r#"{"format":1,"nodes":[{"id":"../a"}]}"#,
        r#"{"format":1,"nodes":[{"id":"-a"}]}"#,
        r#"{"format":1,"nodes":[{"id":"a","nid":-1}]}"#,
        r#"{"format":1,"nodes":[{"id":"a","nid":4294967296}]}"#,
        r#"{"format":1,"nodes":[{"id":"a","grups":[]}]}"#,
        r#"{"format":1,"nodes":[{"id":"a","groups":[".a"]}]}"#,
        r#"{"format":1,"nodes":[{"id":"a","groups":null}]}"#,
        r#"{"format":1,"nodes":[{"id":"a","interfaces":[{}]}]}"#,
        r#"{"format":1,"nodes":[{"id":"a","interfaces":[{"mac":"00:00:00:00:00:00"}]}]}"#,
        r#"{"format":1,"nodes":[{"id":"a","interfaces":[{"mac":"b4:2e:99:be:1a-6d"}]}]}"#,
        r#"{"format":1,"nodes":[{"id":"a","interfaces":[{"mac":"ff:ff:ff:ff:ff:ff"}]}]}"#,
        r#"{"format":1,"nodes":[{"id":"a","interfaces":[{"mac":"01005e000001"}]}]}"#,
        r#"{"format":1,"nodes":[{"id":"a","interfaces":[{"name":"../etc","mac":"b4:2e:99:be:1a:6d"}]}]}"#,
        r#"{"format":1,"nodes":[{"id":"a","interfaces":[{"name":"-a","mac":"b4:2e:99:be:1a:6d"}]}]}"#,
        r#"{"format":1,"nodes":[{"id":"a","interfaces":[{"name":"sixteen-letters0","mac":"b4:2e:99:be:1a:6d"}]}]}"#,
        r#"{"format":1,"nodes":[{"id":"a","interfaces":[{"mac":"b4:2e:99:be:1a:6d","addresses":[{"ip":"0.0.0.0"}]}]}]}"#,
        r#"{"format":1,"nodes":[{"id":"a","interfaces":[{"mac":"b4:2e:99:be:1a:6d","addresses":[{"ip":"::"}]}]}]}"#,
        r#"{"format":1,"nodes":[{"id":"a","interfaces":[{"mac":"b4:2e:99:be:1a:6d","addresses":[{"ip":"0:0:0:0:0:0:0:0"}]}]}]}"#,
        r#"{"format":1,"nodes":[{"id":"a","interfaces":[{"mac":"b4:2e:99:be:1a:6d","addresses":[{"ip":"224.0.0.1"}]}]}]}"#,
        r#"{"format":1,"nodes":[{"id":"a","interfaces":[{"mac":"b4:2e:99:be:1a:6d","addresses":[{"ip":"::ffff:239.0.0.1"}]}]}]}"#,
        r#"{"format":1,"nodes":[{"id":"a","interfaces":[{"mac":"b4:2e:99:be:1a:6d","addresses":[{"ip":"ff02::1"}]}]}]}"#,
        r#"{"format":1,"nodes":[{"id":"a","interfaces":[{"mac":"b4:2e:99:be:1a:6d","addresses":[{"ip":"255.255.255.255"}]}]}]}"#,
        r#"{"format":1,"nodes":[{"id":"a","interfaces":[{"mac":"b4:2e:99:be:1a"}]}]}"#,
        r#"{"format":1,"nodes":[{"id":"a","interfaces":[{"mac":"b4:2e:99:be:1a:6d","enabled":1}]}]}"#,
        r#"{"format":1,"nodes":[{"id":"a","interfaces":[{"mac":"b4:2e:99:be:1a:6d","redfishId":"1"}]}]}"#,
        r#"{"format":1,"nodes":[{"id":"a","interfaces":[{"mac":"b4:2e:99:be:1a:6d","addresses":["10.0.0.1"]}]}]}"#,
        r#"{"format":1,"nodes":[{"id":"a","interfaces":[{"mac":"b4:2e:99:be:1a:6d","addresses":[{"ip":"10.0.0.1/8"}]}]}]}"#,
        r#"{"format":1,"nodes":[{"id":"a","interfaces":[{"mac":"b4:2e:99:be:1a:6d","addresses":[{"network":"HMN"}]}]}]}"#,
    ];
    let lines = [
        "{}",
        r#"{"format":3,"nodes":0,"documents":0}"#,
        r#"{"format":2,"nodes":0,"documents":0,"tunnel_network":"100.97.0.1"}"#,
        r#"{"format":2,"nodes":0,"documents":0,"tunnel_only":["passwd"]}"#,
        r#"{"format":1,"nodes":0}"#,
        r#"{"id":"../n","hostname":"h","instance_id":"i","macs":[],"addresses":[],"groups":[],"documents":{}}"#,
        r#"{"id":"n","instance_id":"i","macs":[],"addresses":[],"groups":[],"documents":{}}"#,
        r#"{"id":"n","hostname":"h","instance_id":"i","macs":["x"],"addresses":[],"groups":[],"documents":{}}"#,
        r#"{"id":"n","hostname":"h","instance_id":"i","macs":[],"addresses":["10.0.0.0/8"],"groups":[],"documents":{}}"#,
        r#"{"id":"n","hostname":"h","instance_id":"i","macs":[],"addresses":[],"groups":["a/b"],"documents":{}}"#,
        r#"{"id":"n","hostname":"h","instance_id":"i","macs":[],"addresses":[],"groups":[],"documents":{"meta-data":"af13"}}"#,
        r#"{"id":"n","hostname":"h","instance_id":"i","macs":[],"addresses":[],"groups":[],"documents":{"passwd":"af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"}}"#,
    ];
    let rules = [
        "",
        "[]\n",
        "message: m\nschema: {}\n",
        "document: cloud-config\nschema: {}\n",
        "document: cloud-config\nmessage: m\n",
        "document: cloud-config\nmessage: ' '\nschema: {}\n",
        "document: cloudconfig\nmessage: m\nschema: {}\n",
        "document: .a.yaml\nmessage: m\nschema: {}\n",
        "document: cloud-config\nmessage: m\nschema: []\n",
        "document: cloud-config\nmessage: m\nschema: text\n",
        "document: cloud-config\nmessage: m\nschema: {}\nseverity: off\n",
        "document: cloud-config\nmessage: m\nschema: {}\ngroups: compute\n",
        "document: cloud-config\nmessage: m\nschema: {}\ngroups: ['a/b']\n",
        "document: cloud-config\nmessage: m\nschema: {}\nnodes: ['']\n",
        "document: cloud-config\nmessage: m\nschema: {}\nnode: [x1]\n",
        "document: cloud-config\nmessage: [m]\nschema: {}\n",
    ];
    of_all_kinds([&settings, &groups, &nodes, &inventories, &lines, &rules])
}

fn of_all_kinds(texts: [&[&'static str]; 6]) -> Vec<(Kind, &'static str)> {
    let kinds = [Kind::Settings, Kind::Group, Kind::Node, Kind::Inventory, Kind::ManifestLine, Kind::SiteRule];
    kinds.into_iter().zip(texts).flat_map(|(kind, texts)| texts.iter().map(move |text| (kind, *text))).collect()
}

#[test]
fn what_is_right_is_accepted_by_both() {
    for (kind, text) in right() {
        assert_eq!(errors(kind, &kind.to_json(text)), [""; 0], "the schema refuses {kind:?} {text}");
        assert_eq!(kind.parse(text), Ok(()), "the parser refuses {kind:?} {text}");
    }
}

#[test]
fn what_is_wrong_is_refused_by_both() {
    let mut disagreements = Vec::new();
    for (kind, text) in wrong() {
        if errors(kind, &kind.to_json(text)).is_empty() {
            disagreements.push(format!("the schema accepts {kind:?} {text}"));
        }
        if kind.parse(text).is_ok() {
            disagreements.push(format!("the parser accepts {kind:?} {text}"));
        }
    }
    assert!(disagreements.is_empty(), "{}", disagreements.join("\n"));
}
